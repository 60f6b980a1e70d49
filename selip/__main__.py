"""`python -m selip`."""

from selip.cli import main

if __name__ == "__main__":
    main()
