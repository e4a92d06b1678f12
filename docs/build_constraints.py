"""Print the pins for constraints.txt: every package installed here but this project, without local version parts."""

from importlib.metadata import distributions

OURS = "audio-diffusion-harness"
INSTALLERS = {"pip", "setuptools", "wheel"}

pins = {dist.metadata["Name"]: dist.version.partition("+")[0] for dist in distributions()}
print("# What `make demo` and `make test` install. Written by `make lock`.")
for name in sorted(pins.keys() - INSTALLERS - {OURS}, key=str.lower):
    print(f"{name}=={pins[name]}")
