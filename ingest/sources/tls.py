"""TLS to the broker: always verified; and what went wrong with it, in words."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from ingest.errors import ConfigurationError

__all__ = ["Tls", "complaint"]

_EXPIRED, _NOT_YET, _HOST, _ADDRESS = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_…
_OTHER_HOST = (
    "the broker's certificate is of another host",
    "use the name in its certificate in the URL; or, where it is reached by another, set LAKEPOST_RABBITMQ_SERVER_NAME",
)
_PEER = {
    _EXPIRED: ("the broker's certificate has expired", "have it renewed"),
    _NOT_YET: ("the broker's certificate is not valid yet", "check the clocks of both machines"),
    _HOST: _OTHER_HOST,
    _ADDRESS: _OTHER_HOST,
}
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
_NONE_GIVEN = ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM, and a name. Without `ca_file` the machine's authorities are trusted, with it that one alone.

    `server_name` is asked for (SNI) and must be in the broker's certificate; without it the URL's host.
    `key_file` may be left out where `cert_file` holds the key too.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """A client's context that verifies chain and name.

        Raises:
            ConfigurationError: naming the file that is missing, unreadable or not what it should be.
        """
        if self.key_file and not self.cert_file:
            raise ConfigurationError(
                "LAKEPOST_RABBITMQ_KEY_FILE is set without its certificate",
                remedy="set LAKEPOST_RABBITMQ_CERT_FILE too",
            )
        for name, file in (("CA", self.ca_file), ("CERT", self.cert_file), ("KEY", self.key_file)):
            _readable(f"LAKEPOST_RABBITMQ_{name}_FILE", file)
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except ssl.SSLError:
            raise _wrong_file("LAKEPOST_RABBITMQ_CA_FILE", self.ca_file, "holds no certificate in PEM form") from None
        if self.cert_file:
            try:
                context.load_cert_chain(self.cert_file, self.key_file or None, password=_no_password)
            except ssl.SSLError:
                told = "and LAKEPOST_RABBITMQ_KEY_FILE are not a certificate and its key in PEM form"
                raise _wrong_file("LAKEPOST_RABBITMQ_CERT_FILE", self.cert_file, told) from None
        return context


def complaint(error: BaseException | None, *, shows_certificate: bool) -> tuple[str, str] | None:
    """What TLS says is wrong with certificates or port, and the remedy; null where `error` came of something else."""
    told = _of_tls(error)
    if told is None:
        return None
    if isinstance(told, ssl.SSLCertVerificationError):
        unknown = (
            f"the broker's certificate is not trusted ({told.verify_message})",
            "set LAKEPOST_RABBITMQ_CA_FILE to the certificate of the authority that signed it",
        )
        return _PEER.get(told.verify_code, unknown)
    reason = told.reason or ""
    if reason in _NO_TLS:
        return "it does not speak TLS on that port", "use the broker's TLS port (5671), or amqp:// if it has none"
    if not shows_certificate and reason in _NONE_GIVEN:
        return (
            "it demands a client certificate",
            "set LAKEPOST_RABBITMQ_CERT_FILE and LAKEPOST_RABBITMQ_KEY_FILE",
        )
    if "_ALERT_" not in reason:
        return None
    alert = reason.partition("_ALERT_")[2].lower().replace("_", " ")
    return (
        f"it refuses {'our client certificate' if shows_certificate else 'the connection'}: {alert}",
        "use a client certificate that the broker's authority signed and that has not expired",
    )


def _of_tls(error: BaseException | None) -> ssl.SSLError | None:
    """The error of TLS at the root. asyncio raises what broke a connection again and again: contexts may be a ring."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _readable(name: str, file: str) -> None:
    if not file:
        return
    try:
        with open(file, "rb"):  # noqa: PTH123 - only whether it opens
            pass
    except OSError as error:
        raise _wrong_file(name, file, f"cannot be read: {error.strerror}") from None


def _wrong_file(name: str, file: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{name}: {file} {what}", remedy="correct the setting, or the file")


def _no_password() -> str:
    """OpenSSL would ask for it on the terminal."""
    raise ConfigurationError(
        "LAKEPOST_RABBITMQ_KEY_FILE is encrypted", remedy="give the key without a password, readable by Lakepost only"
    )
