"""What a test does to a step and what comes of it: pytest prints both where the test fails."""


def injected(what: str) -> None:
    print(f"injected: {what}", flush=True)


def seen(what: object) -> None:
    print(f"    seen: {what}", flush=True)
