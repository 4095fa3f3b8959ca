import type { Locator } from "playwright-core";
import decodeQr from "qr/decode.js";

/** Pixels as a canvas has them. */
interface Pixels {
  width: number;
  height: number;
  data: number[];
}

/** The text of a QR code, read from its picture on the screen by another library than the one that drew it. */
export async function readQrCode(code: Locator): Promise<string> {
  const png = (await code.screenshot({ animations: "disabled" })).toString("base64");
  // A page of its own: the policy of ours stops nothing there.
  const page = await code.page().context().newPage();
  try {
    const { width, height, data } = await page.evaluate<Pixels>(`(async () => {
      const image = new Image();
      image.src = "data:image/png;base64,${png}";
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = image.width;
      canvas.height = image.height;
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const { width, height, data } = context.getImageData(0, 0, image.width, image.height);
      return { width, height, data: [...data] };
    })()`);
    return decodeQr({ width, height, data: Uint8Array.from(data) });
  } finally {
    await page.close();
  }
}
