from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from generators.base import RequestError
from generators.diffrhythm import tokens_from_lrc
from generators.diffrhythm.lengths import SongLengths
from generators.diffrhythm.lyrics.phones import END_OF_LINE, phone_ids
from generators.diffrhythm.lyrics.tokens import LYRICS_FORMS, lay_out
from tests.generators.diffrhythm.lyrics.recorded import read_json
from tests.generators.diffrhythm.vectors import ROOT

RECORDED = read_json("placement")
SONGS = sorted((ROOT.parent / "shared/data/diffrhythm_latents").glob("[0-9]*.safetensors"))


def tokenize(words):
    return [RECORDED["table"][character] for character in words if character in RECORDED["table"]]


@pytest.mark.parametrize("case", RECORDED["cases"], ids=[case["name"] for case in RECORDED["cases"]])
def test_recorded_placements(case):
    tokens = tokens_from_lrc(case["lrc"], audio_length_s=case["audio_length_s"], tokenize=tokenize)
    expected = torch.zeros(case["end_frame"], dtype=torch.int64)
    for start, ids in case["runs"]:
        expected[start : start + len(ids)] = torch.tensor(ids)
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens, expected)
    assert SongLengths(case["max_frames"]).condition(case["end_frame"]) == case["song_duration"]


def test_ids_may_come_as_a_tensor():
    text = "[00:01.00]ab\n[00:02.00]--\n[00:03.00]c"
    plain = tokens_from_lrc(text, audio_length_s=96, tokenize=tokenize)
    tensors = tokens_from_lrc(text, audio_length_s=96, tokenize=lambda words: torch.tensor(tokenize(words)).long())
    assert torch.equal(tensors, plain)


@pytest.mark.parametrize("song", SONGS or [None])
def test_published_tokens_are_placed_whole(song):
    """Lines of a real song, each a comma at most in place of its full stops, then the end of the line."""
    if song is None:
        pytest.skip("the published example songs are not here (shared/data/diffrhythm_latents)")
    data = load_file(song)
    bounds, ids = data["lrc_offsets"].tolist(), data["lrc_tokens"].tolist()
    stamps = [f"[{int(t) // 60:02}:{t % 60:05.2f}]" for t in data["lrc_time"].tolist()]
    rows = [f"{stamp}{' '.join(map(str, ids[a:b]))}" for stamp, a, b in zip(stamps, bounds, bounds[1:], strict=False)]
    assert set(ids) <= set(phone_ids().values()) - {END_OF_LINE}
    tokens = tokens_from_lrc("\n".join(rows), audio_length_s=285, tokenize=LYRICS_FORMS["ids"])
    sung = [token for token in tokens.tolist() if token]
    assert [token for token in sung if token != END_OF_LINE] == ids
    assert sung.count(END_OF_LINE) == len(rows)


@pytest.mark.parametrize("length", [94, 286, 300, 0, -1, 95.5, 96.5, float("nan"), float("inf")])
def test_lengths_no_model_has(length):
    with pytest.raises(RequestError, match=r"give 95 \(base models\) or a whole number from 96 to 285"):
        tokens_from_lrc("", audio_length_s=length)


def place(text, *, form="ids", frames=40, **changes):
    given = {"frame_rate_hz": 10.0, "end_s": 4.0, "drop_last": False, "tokenize": LYRICS_FORMS[form], **changes}
    return lay_out(text, frames=frames, **given)


def test_what_is_not_sung_is_said():
    text = "[00:00.00]\n[00:03.00]20 21 22 23 24 25 26 27 28 29\n[00:03.50]20\n[00:03.60]20\n[00:09.00]20"
    placement = place(text, drop_last=True)
    assert [entry.line.number for entry in placement.lines] == [1, 2, 3]
    assert [entry.start_frame for entry in placement.lines] == [0, 30, 40]
    assert [entry.cut_tokens for entry in placement.lines] == [0, 1, 2]
    assert placement.lines[0].tokens == (END_OF_LINE,)
    assert placement.remarks == (
        "line 5 was not sung: the song ends at 4 s",
        "line 4 is not sung: models of this length leave the last line out, since nothing says where it ends; "
        "add a line after it",
        "line 1 was empty to the model: no Chinese or English word in it",
        "lines 2, 3 were cut by the end of the song",
    )


def test_ready_made_tokens():
    assert place("[00:01.00]20 2 21").tokens() == [0] * 10 + [20, 1, 21, 2] + [0] * 26
    spelled = place("[00:01.00]h|ə|l|oʊ|", form="phones").tokens()
    assert spelled[10:15] == [42, 58, 51, 24, 2]


@pytest.mark.parametrize(
    ("form", "words", "message"),
    [
        ("ids", "20 x", "line 2: '20 x' are not token ids"),
        ("ids", "20 364", "line 2: token ids run from 1 to 363"),
        ("ids", "0", "token ids run from 1 to 363"),
        ("phones", "h|hello", "line 2: no phone 'hello'"),
        ("words", "привет", "line 2: .*'п'; DiffRhythm sings Chinese and English only"),
        ("words", "hello こ", "'こ'"),
    ],
)
def test_words_that_cannot_be_sung(form, words, message):
    with pytest.raises(RequestError, match=message):
        place(f"\n[00:01.00]{words}", form=form)
