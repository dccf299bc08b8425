"""Two certificates with their keys, as PEM text, and an authority, made for this run."""

import trustme


def a_pair(name: str) -> tuple[str, str]:
    issued = trustme.CA().issue_cert(name)
    return issued.cert_chain_pems[0].bytes().decode(), issued.private_key_pem.bytes().decode()


PAIR, SECOND = a_pair("a.org"), a_pair("b.org")
CA = trustme.CA().cert_pem.bytes().decode()
