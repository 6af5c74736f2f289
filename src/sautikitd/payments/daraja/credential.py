"""The SecurityCredential of Reversal and TransactionStatus (`mpesa.md` §5)."""

import base64

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate


def security_credential(password: str, certificate: bytes) -> str:
    """The initiator's password under Safaricom's certificate (PEM): RSA with PKCS #1 v1.5, in base64.

    Sandbox and production have different certificates. Raises `ValueError` for what is none with an RSA key.
    """
    key = load_pem_x509_certificate(certificate).public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the certificate has no RSA key")
    return base64.b64encode(key.encrypt(password.encode(), PKCS1v15())).decode()
