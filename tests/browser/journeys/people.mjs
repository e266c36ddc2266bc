import { createHmac } from "node:crypto";
import { request } from "node:http";
import { base, given, journey, logIn, until } from "../browser.mjs";

function totp(secret, at = Date.now()) {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => Number.parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  const from = mac[19] & 15;
  return String((mac.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

function statusOf(path, token) {
  return new Promise((resolve, reject) => {
    const r = request({ host: "127.0.0.1", path, headers: { Host: "zane.localhost", Authorization: `Bearer ${token}` } }, (a) => {
      a.resume();
      resolve(a.statusCode);
    });
    r.on("error", reject);
    r.end();
  });
}

/* Somebody is invited and joins; makes a token that works; turns a second factor on, which the next login needs. */
await journey(async (person) => {
  const admin = await person();
  await logIn(admin);
  await admin.goto(`${base}/workspace/invitations`);
  await admin.getByRole("button", { name: "Invite somebody" }).click();
  await admin.getByLabel("Username").fill("bea");
  await admin.getByRole("button", { name: "Make the link" }).click();
  const link = await admin.getByLabel("Link of the invitation", { exact: true }).locator("code").innerText();

  const bea = await person();
  await bea.goto(link);
  await bea.getByText("You are invited to").waitFor();
  await bea.getByLabel("Choose a password").fill(given.password);
  await bea.getByRole("button", { name: "Create account and join" }).click();
  await bea.getByRole("heading", { level: 1, name: "Projects" }).waitFor();

  await bea.goto(`${base}/account/tokens`);
  await bea.getByRole("button", { name: "New token" }).click();
  await bea.getByLabel("What it is for").fill("from CI");
  await bea.getByRole("button", { name: "Make the token" }).click();
  const token = await bea.getByText(/^zane_/).innerText();
  if ((await statusOf("/api/projects/", token)) !== 200) throw new Error("the token is not taken");
  await bea.getByRole("button", { name: "Close" }).last().click();
  await bea.getByRole("button", { name: "Revoke: from CI" }).click();
  await bea.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await bea.getByText("No token yet.").waitFor();
  await until(async () => (await statusOf("/api/projects/", token)) === 401, "the token to be refused");

  await bea.goto(`${base}/account/security`);
  await bea.getByRole("button", { name: "Set up" }).click();
  await bea.getByLabel("Your password").fill(given.password);
  await bea.getByRole("button", { name: "Next" }).click();
  await bea.getByRole("img", { name: "QR code of the secret" }).waitFor();
  const secret = await bea.getByRole("dialog").getByText(/^[A-Z2-7]{32}$/).innerText();
  await bea.getByLabel("Six-digit code").fill(totp(secret));
  await bea.getByRole("button", { name: "Turn on" }).click();
  const recovery = await bea.getByRole("list", { name: "Recovery codes" }).getByRole("listitem").first().innerText();
  await bea.getByRole("button", { name: "I have kept them" }).click();
  await bea.getByRole("button", { name: "Your account" }).click();
  await bea.getByRole("menuitem", { name: "Log out" }).click();
  await bea.getByLabel("Username").fill("bea");
  await bea.getByLabel("Password").fill(given.password);
  await bea.getByRole("button", { name: "Log in", exact: true }).click();
  await bea.getByRole("heading", { name: "Second factor" }).waitFor();
  await bea.getByRole("button", { name: "Use a recovery code instead" }).click();
  await bea.getByLabel("Recovery code").fill(recovery);
  await bea.getByRole("button", { name: "Log in", exact: true }).click();
  await bea.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
});
