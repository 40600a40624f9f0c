#!/usr/bin/env python3
"""Whether a profile is of the same functions as the binary that was built with it.

Reads the output of `llvm-profdata show --all-functions` from standard input; the binary is the argument. A
build whose functions have other names (other settings of the release profile, debug information included, or
other features of a dependency) takes a profile and ignores it without a word. Exit status 1: so it was."""
import re
import sys

NAME = re.compile(rb"\b_(?:ZN|R)[\w.$]+")
# Most functions of the profile are gone into others in the binary, so that far from all are found again.
LEAST_SHARE = 0.1


def plain(name):
    """Without what the optimiser appends to copies and to names made global."""
    return name.split(b".llvm.")[0]


def main():
    heads = (line for line in sys.stdin.buffer if re.match(rb"  \S.*:$", line))
    known = {plain(name) for line in heads for name in NAME.findall(line)}
    with open(sys.argv[1], "rb") as file:
        names = {plain(name) for name in NAME.findall(file.read())}
    if not names:
        return print("the binary has no symbols; whether the profile fits cannot be seen")
    print(f"the profile knows {len(known & names)} of {len(names)} functions of the binary")
    if len(known & names) < LEAST_SHARE * len(names):
        sys.exit("the profile does not fit this build: its functions have other names")


if __name__ == "__main__":
    main()
