# The trial image: Python, torch, tokenizers and numpy; no code of this project in it. `runner build` resolves the
# wheels on the host and builds this without any network. BASE is pulled, or made from Debian's packages.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS wheels
LABEL autoresearch.stage=wheels
COPY wheels /wheels
COPY trial.txt /trial.txt
# pip comes as a wheel too, and runs from inside it, so the base need not bring one.
RUN python3 -m venv --without-pip /opt/lab \
 && PYTHONPATH="$(echo /wheels/pip-*.whl)" /opt/lab/bin/python -m pip install --quiet --no-index \
      --find-links /wheels --no-cache-dir --no-compile --requirement /trial.txt \
 && /opt/lab/bin/python -m compileall -q -j 0 -x '/(tests?|testing|sympy/(plotting|physics))/' /opt/lab/lib

FROM ${BASE}
COPY --from=wheels /opt/lab /opt/lab
# The mount points exist in the image since the root is read-only, with the rights that what is mounted there gets.
# Nothing in the image may raise privileges.
RUN mkdir -p /lab /out /compile && chmod 1777 /compile && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
ENV PATH=/opt/lab/bin:/usr/local/bin:/usr/bin:/bin
