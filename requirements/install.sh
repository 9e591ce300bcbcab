#!/usr/bin/env bash
# Creates the environment of one OpenMMLab line and installs the package into
# it, editable. Does nothing if that has been done. Called by the Makefile:
#
#     requirements/install.sh maintained .venv [python3.11]
#
# An environment that was complete once is never removed: it is updated in
# place, and what fails then leaves it as it is.
set -euo pipefail

line=$1
venv=$2
wanted_python=${3:-}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# What was installed, and where; there since the environment was complete.
stamp=$venv/.convmae_mm_installed
# There while a new environment is made. Found at the start, it means that
# this was interrupted.
unfinished=$venv/.convmae_mm_unfinished
log=$venv/setup.log

# Settings that would put packages elsewhere, shadow them, or give the build
# of mmcv a torch to compile against.
unset PYTHONPATH PYTHONHOME PIP_NO_BUILD_ISOLATION PIP_USER PIP_TARGET \
    PIP_PREFIX PIP_REQUIREMENT PIP_CONSTRAINT PIP_BUILD_CONSTRAINT
export PIP_DISABLE_PIP_VERSION_CHECK=1

fail() {
    printf 'make: %s\n' "$*" >&2
    exit 1
}

# Without the links on the way here: they are the same place.
fingerprint() {
    pwd -P
    cat requirements/*.txt requirements/install.sh setup.py pyproject.toml \
        MANIFEST.in convmae_mm/version.py | cksum
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_supported() {
    case $1 in 3.10 | 3.11 | 3.12) return 0 ;; *) return 1 ;; esac
}

find_python() {
    local candidate version
    if [ -n "$wanted_python" ]; then
        version=$(version_of "$wanted_python") ||
            fail "PYTHON=$wanted_python does not run." \
                "Name a Python 3.10, 3.11 or 3.12," \
                "for example PYTHON=python3.11"
        is_supported "$version" ||
            fail "PYTHON=$wanted_python is Python $version;" \
                "convmae_mm needs 3.10, 3.11 or 3.12, for example" \
                "PYTHON=python3.11"
        echo "$wanted_python"
        return
    fi
    for candidate in python3.11 python3.12 python3.10 python3 python; do
        if version=$(version_of "$candidate") && is_supported "$version"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.10, 3.11 or 3.12 found. Install one, or name it:" \
        "make setup PYTHON=/path/to/python3.11"
}

# Everything pip says goes to the log; the long downloads also to the screen.
pip_install() {
    if ! "$venv/bin/python" -m pip install "$@" 2>&1 | tee -a "$log" |
        awk '/Downloading .* MB\)/ || /^(ERROR|error)/ { print; fflush() }'
    then
        tail -n 5 "$log" | cut -c 1-300 >&2
        fail "pip could not install the $line line; all it said is in $log." \
            "$(state)"
    fi
}

# What a failure leaves behind.
state() {
    if [ ! -f "$stamp" ]; then
        echo "Once that is mended, make again."
    elif "$venv/bin/convmae-mm" doctor >>"$log" 2>&1; then
        echo "The environment of before still works: use it without make" \
            "(source $venv/bin/activate), or make again to update it."
    else
        echo "The environment is not well: $venv/bin/convmae-mm doctor says" \
            "how to mend it; make again to update it."
    fi
}

# One set-up at a time; the second finds it done. The lock goes with the
# process; a file that is run could not be locked so: it would be busy.
exec 9<>requirements/runtime.txt
if command -v flock >/dev/null && ! flock --nonblock 9; then
    echo "Another set-up is at work here; waiting for it."
    flock 9
fi

# Older set-ups wrote the seconds only.
if [ -f "$unfinished" ] && [ ! -f "$stamp" ] && [ ! -f "$venv/setup_seconds" ]
then
    echo "The last set-up of $venv was interrupted; starting it afresh."
    rm -rf "$venv"
fi

if [ -e "$venv" ] && [ -n "$wanted_python" ]; then
    wanted=$(version_of "$(find_python)")
    present=$(version_of "$venv/bin/python" || echo 'no Python that runs')
    [ "$wanted" = "$present" ] ||
        fail "$venv holds $present and PYTHON=$wanted_python is $wanted;" \
            "remove it first: rm -r $venv"
fi

if [ -f "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null &&
    [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
    exit 0
fi

SECONDS=0
if [ ! -e "$venv" ]; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot create environments (no venv or ensurepip);" \
            "on Debian and Ubuntu: apt install python$(version_of "$python")-venv"
    echo "Creating $venv with $("$python" --version)," \
        "OpenMMLab line: $line."
    mkdir -p "$venv"
    touch "$unfinished"
    "$python" -m venv "$venv"
elif ! "$venv/bin/python" -c '' 2>/dev/null; then
    fail "the Python that $venv was made with is gone" \
        "($(readlink "$venv/bin/python" || echo unknown)). Install it again," \
        "or remove the environment: rm -r $venv"
elif [ -f "$stamp" ]; then
    echo "The requirements or the place have changed; updating $venv."
    if [ "$(head -n 1 "$stamp")" != "$(pwd -P)" ]; then
        # It was moved: bin/activate names the old place.
        base=$("$venv/bin/python" -c \
            'import sys; print(sys._base_executable)')
        "$base" -m venv "$venv"
    fi
else
    # Made by hand: never removed, whatever happens.
    echo "Installing into $venv, which exists; OpenMMLab line: $line."
fi
is_supported "$(version_of "$venv/bin/python")" ||
    fail "$venv holds $("$venv/bin/python" --version 2>&1 || true);" \
        "convmae_mm needs 3.10, 3.11 or 3.12. Remove it: rm -r $venv"

constraints=requirements/constraints-$line.txt
: >"$log"
echo "[1/3] tools"
pip_install --constraint "$constraints" \
    --requirement requirements/build.txt pip
# OpenMMLab asks for opencv-python, which needs libGL.so.1; servers lack it.
# opencv-python-headless has the same files without that need. It comes
# later, and so its files are the ones that stay.
pip_install --constraint "$constraints" --no-deps opencv-python
echo "[2/3] torch, OpenMMLab and the rest (with CUDA a download of 3 GB)"
pip_install --constraint "$constraints" --requirement requirements/runtime.txt \
    --requirement "requirements/$line.txt" \
    --requirement requirements/demo.txt \
    --requirement requirements/tests.txt \
    --build-constraint requirements/constraints-build.txt
echo "[3/3] convmae_mm, editable"
pip_install --no-deps --no-build-isolation --editable .

"$venv/bin/convmae-mm" doctor ||
    fail "$venv is installed but not well; mend it as said above"

# What it took to create the environment; an update is no measure of that.
[ -f "$venv/setup_seconds" ] || echo "$SECONDS" >"$venv/setup_seconds"
fingerprint >"$stamp.new"
mv "$stamp.new" "$stamp"
rm -f "$unfinished"
echo "Set-up of $venv took $SECONDS s."
