# The gateway from the package as it is published, with the dependencies that package-lock.json pins, as a user without rights.
FROM node:24-slim AS package
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm pack --pack-destination /tmp \
  && mkdir /opt/mosaic \
  && tar --extract --gzip --file /tmp/mosaic-federation-*.tgz --directory /opt/mosaic --strip-components 1 \
  && cp package-lock.json .npmrc /opt/mosaic/ \
  && cp -R container /opt/mosaic/container \
  && cd /opt/mosaic \
  && npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production MOSAIC_DIR=/var/lib/mosaic
COPY --from=package --chown=root:root /opt/mosaic /opt/mosaic
RUN ln -s /opt/mosaic/dist/main.js /usr/local/bin/mosaic \
  && install --directory --owner node --group node --mode 0700 /var/lib/mosaic
USER node
WORKDIR /var/lib/mosaic
VOLUME /var/lib/mosaic
EXPOSE 8443 8444
ENTRYPOINT ["node", "/opt/mosaic/container/start.ts"]
