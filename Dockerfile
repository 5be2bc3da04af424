# The team's server: docs/deploy.md. Nothing secret belongs in it: keys are mounted as files when it runs.
FROM python:3.13-slim-trixie AS build
WORKDIR /build
COPY . .
# pip builds the wheel from this folder and installs it, so that no package of the same name is fetched.
RUN python -m venv /opt/incident-mcp \
    && /opt/incident-mcp/bin/pip install --no-cache-dir ".[server,otel]"

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="incident-mcp" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/incident-mcp /opt/incident-mcp
# The state folder is the only one that the server writes to, so the root can be read-only.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /state
ENV PATH=/opt/incident-mcp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    INCIDENT_MCP_STATE_DIR=/state
VOLUME ["/state"]
# By number, so that an orchestrator can check that it is not root.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["incident-mcp"]
CMD ["serve", "--host", "0.0.0.0"]
