# The one image of all functions: template.yaml gives each its command. Any Debian with Python 3.11 or newer will do.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS packages
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq --yes --no-install-recommends python3 python3-venv
RUN python3 -m venv /opt/exhibit
COPY requirements-aws.txt .
RUN /opt/exhibit/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --only-binary :all: \
    --no-deps --require-hashes --requirement requirements-aws.txt \
    && /opt/exhibit/bin/pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq --yes --no-install-recommends \
    ca-certificates python3 libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    && useradd --uid 1000 --no-create-home exhibit
COPY --from=packages /opt/exhibit /opt/exhibit
WORKDIR /srv/exhibit
COPY reports reports
COPY templates templates
COPY functions functions
RUN /opt/exhibit/bin/python -m compileall -q reports functions
ENV PATH=/opt/exhibit/bin:$PATH PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/tmp/cache
USER exhibit
ENTRYPOINT ["/opt/exhibit/bin/python", "-m", "awslambdaric"]
CMD ["functions.publish.handler"]
