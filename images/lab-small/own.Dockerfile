# Waylab's own packages, from this checkout, on top of what they need.
ARG PACKAGES
FROM ${PACKAGES}
COPY own/ /opt/waylab/
CMD ["jupyterhub-singleuser"]
