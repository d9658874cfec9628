# The BIDS App bids_reid: bids_dir and output_dir in, tables and pages out, no network.
#   docker build -t bids-reid .
# docs/clusters.md shows how to run it. tools/descriptor.py keeps VERSION.

# What changes least comes first: a change of the program rebuilds the two last, small layers.
FROM debian:bookworm-slim AS build
# Debian's point releases replace versions, so that pinned ones could not be built a month later
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock ./
COPY tools/image_install tools/lock_subset.py tools/
RUN tools/image_install packages

FROM build AS program
COPY pyproject.toml README.md LICENSE ./
COPY bids_reid bids_reid/
RUN PREFIX=/opt/program tools/image_install program

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libegl1 libgl1-mesa-dri python3 \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /models /opt/models/.deepface/weights
COPY --from=build /opt/bids_reid /opt/bids_reid
ENV PATH=/opt/bids_reid/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LC_ALL=C.UTF-8 \
    HOME=/tmp \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    MESA_SHADER_CACHE_DISABLE=true \
    NO_ET=1 \
    NIPYPE_NO_ET=1 \
    ORT_DISABLE_TELEMETRY=1 \
    OMP_NUM_THREADS=1 \
    VTK_DEFAULT_OPENGL_WINDOW=vtkEGLRenderWindow \
    BIDS_REID_MODELS=/models \
    DEEPFACE_HOME=/opt/models \
    DEEPFACE_BACKEND_ENGINE=onnx
COPY tools/image_check.py /opt/bids_reid/share/
COPY --from=program /opt/program /opt/bids_reid
# the weights are those that are meant, and faces can be rendered and encoded: as nobody
RUN su -s /bin/sh nobody -c 'python3 /opt/bids_reid/share/image_check.py'
ARG VERSION=0.1.0.dev11
LABEL version=$VERSION \
      org.opencontainers.image.title=bids_reid \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.description="BIDS App: how many participants could be recognised from their head scans?"
ENTRYPOINT ["bids-reid"]
