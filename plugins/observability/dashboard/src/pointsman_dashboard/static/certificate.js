// One certificate.

import { h, patch } from "./dom.js";
import { ask, placeOf } from "./api.js";
import { date } from "./format.js";
import { chips, code, facts, heading, notice, section } from "./parts.js";
import { lifetime } from "./lifetime.js";

export function certificatePage(kind, name) {
  const node = h("div", { class: "page" });

  async function load(signal) {
    const found = await ask(placeOf(kind, name), undefined, signal);
    const title = found.commonName || found.sans?.[0] || found.name;
    patch(
      node,
      heading(title, { above: { href: "#/certificates", text: "Certificates" }, extra: lifetime(found) }),
      warning(found),
      h(
        "div",
        { class: "two" },
        section("Issued to", facts([["Common name", found.commonName], ["Names", found.sans?.length ? chips(found.sans) : ""], ["Organization", found.organization], ["Country", found.country]])),
        section("Issued by", facts([["Common name", found.issuerCN], ["Organization", found.issuerOrg], ["Country", found.issuerCountry]])),
        section("Validity", facts([["From", date(found.notBefore)], ["Until", date(found.notAfter)], ["Left", lifetime(found)]])),
        section("Technical details", facts([["Version", found.version], ["Key", [found.keyType, found.keySize].filter(Boolean).join(" ")], ["Signature", found.signatureAlgorithm], ["Serial number", h("span", { class: "mono" }, found.serialNumber ?? "–")]])),
      ),
      section("Fingerprints (SHA-256)", h("h3", {}, "Certificate"), code(found.certFingerprint ?? found.name, "Fingerprint of the certificate"), found.publicKeyFingerprint && [h("h3", {}, "Public key"), code(found.publicKeyFingerprint, "Fingerprint of the public key")]),
    );
  }

  return { title: "Certificate", node, load, every: 30_000 };
}

function warning({ status }) {
  if (status === "expired") return notice("error", "This certificate has expired", h("p", {}, "Clients refuse it. Renew it, or take it out of the configuration so that another can be chosen."));
  if (status === "warning") return notice("warning", "This certificate expires soon", h("p", {}, "Renew it before then; new files take effect without a restart."));
  return null;
}
