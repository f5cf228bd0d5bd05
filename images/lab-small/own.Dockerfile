# Waylab's own packages, from this checkout, on top of what they need.
ARG PACKAGES
FROM ${PACKAGES}
USER 0:0
COPY own/ /opt/waylab/
RUN /opt/waylab/bin/python -m compileall -q /opt/waylab/lib/python*/site-packages/waylab_*
USER 1000:1000
CMD ["jupyterhub-singleuser"]
