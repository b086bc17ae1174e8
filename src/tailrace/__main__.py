"""The program itself: `tailrace`, and `python -m tailrace`."""

import signal


def main() -> None:
    """Run it. An interrupt while it is being loaded ends it at once, without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tailrace.cli import main as run  # noqa: PLC0415 - takes a while

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
