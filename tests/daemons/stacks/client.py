"""A client of tlslite-ng: ADDRESS PORT.

Offers each weak suite that it knows alone, in each version from TLS 1.0 to 1.2, and prints a line for each: version, number,
and the number that the server picked, or why there was none.
"""
import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection

SUITES = [  # key exchange, cipher, MAC, number
    ("rsa", "null", "md5", 0x0001), ("rsa", "null", "sha", 0x0002),
    ("rsa", "rc4", "md5", 0x0004), ("rsa", "rc4", "sha", 0x0005), ("rsa", "3des", "sha", 0x000a),
    ("dhe_rsa", "3des", "sha", 0x0016),
    ("dh_anon", "rc4", "md5", 0x0018), ("dh_anon", "3des", "sha", 0x001b), ("dh_anon", "aes128", "sha", 0x0034),
    ("ecdhe_rsa", "null", "sha", 0xc010), ("ecdhe_rsa", "rc4", "sha", 0xc011), ("ecdhe_rsa", "3des", "sha", 0xc012),
    ("ecdh_anon", "null", "sha", 0xc015), ("ecdh_anon", "rc4", "sha", 0xc016), ("ecdh_anon", "3des", "sha", 0xc017),
    ("ecdh_anon", "aes128", "sha", 0xc018),
]


def offer(address, port, minor, exchange, cipher, mac):
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, minor)
    settings.keyExchangeNames, settings.cipherNames, settings.macNames = [exchange], [cipher], [mac]
    settings.minKeySize = 1023
    tls = TLSConnection(socket.create_connection((address, port), 20))
    try:
        if exchange.endswith("anon"):
            tls.handshakeClientAnonymous(settings=settings)
        else:
            tls.handshakeClientCert(settings=settings)
        return f"0x{tls.session.cipherSuite:04x}"
    except Exception as why:  # whatever it is, there was no handshake
        return type(why).__name__
    finally:
        tls.sock.close()


for minor in (1, 2, 3):
    for exchange, cipher, mac, number in SUITES:
        picked = offer(sys.argv[1], int(sys.argv[2]), minor, exchange, cipher, mac)
        print(f"TLS 1.{minor - 1}|0x{number:04x}|{picked}")
