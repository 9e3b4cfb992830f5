# ccsim in a container: docker build -t ccsim . && docker run --rm -v "$PWD/results:/data/results" ccsim run cubic_to_bbr
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir /src && rm -rf /src
WORKDIR /data
ENTRYPOINT ["ccsim"]
CMD ["--help"]
