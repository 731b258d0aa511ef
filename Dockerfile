# One image a command: `docker build --target bridge .`, `--target component`.
# Without a target it is the bridge, the last stage.
#
#   wheel ─▶ bridge's environment ─────▶ runtime + environment ─▶ bridge
#        ├─▶ component's environment ──▶ runtime + environment ─▶ component
#        └─▶ mnist's environment ──────▶ runtime + environment ─▶ mnist (docker-compose.yml)

ARG PYTHON=python:3.12-slim

# The project as a wheel, so that nothing of its sources or its build is in an image.
FROM ${PYTHON} AS wheel
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY bridge bridge
RUN pip wheel --no-deps --wheel-dir /wheels .

# What runs, compiled to bytecode here: an image's root is read-only later.
FROM wheel AS bridge-environment
RUN python -m venv --without-pip /opt/bridge \
    && pip --python /opt/bridge/bin/python install -c constraints.txt "$(echo /wheels/*.whl)[grpc,kafka,objects]"

FROM wheel AS component-environment
RUN python -m venv --without-pip /opt/bridge \
    && pip --python /opt/bridge/bin/python install -c constraints.txt "$(echo /wheels/*.whl)[models]"

FROM wheel AS mnist-environment
RUN python -m venv --without-pip /opt/bridge \
    && pip --python /opt/bridge/bin/python install -c constraints.txt "$(echo /wheels/*.whl)[images,kafka,models,objects]"

# No root, nothing to write, no shell between the signal and the process.
FROM ${PYTHON} AS runtime
ENV PATH=/opt/bridge/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv
USER 65532:65532

# A Python class as a model server; the published example's iris is in it.
# Your own: `FROM` this, `COPY` your file, and name its class.
FROM runtime AS component
COPY --from=component-environment /opt/bridge /opt/bridge
COPY examples/iris/Iris.py iris/Iris.py
ENTRYPOINT ["bridge"]
CMD ["component", "iris/Iris.py:Iris"]

# Bridge, model and images of the digit pipeline, which docker-compose.yml runs.
FROM runtime AS mnist
COPY --from=mnist-environment /opt/bridge /opt/bridge
COPY examples/mnist mnist
ENTRYPOINT ["bridge"]
CMD ["run", "mnist/bridge.yaml"]

# A further command is two lines: FROM installed AS its-name, and its own ENTRYPOINT.
FROM runtime AS installed
COPY --from=bridge-environment /opt/bridge /opt/bridge

FROM installed AS bridge
ENTRYPOINT ["bridge"]
CMD ["run", "/etc/bridge/bridge.yaml"]
