"""A server of tlslite-ng: ADDRESS PORT CERTIFICATE KEY LEAST MOST CIPHERS; versions as minors of 3 (0 is SSL 3.0).

Whatever it is sent, it answers the same.
"""
import socket
import sys
import threading

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

address, port, certificate, key, least, most, ciphers = sys.argv[1:]
chain = X509CertChain()
with open(certificate) as file:
    chain.parsePemList(file.read())
with open(key) as file:
    private = parsePEMKey(file.read(), private=True)
settings = HandshakeSettings()
settings.minVersion, settings.maxVersion = (3, int(least)), (3, int(most))
settings.cipherNames = ciphers.split(",")
settings.macNames = ["sha", "sha256", "sha384", "aead", "md5"]
settings.minKeySize = 1023
settings.useExtendedMasterSecret = int(most) > 0


def talk(connection):
    connection.settimeout(20)
    tls = TLSConnection(connection)
    try:
        tls.handshakeServer(certChain=chain, privateKey=private, settings=settings)
        if tls.read(max=4096):
            tls.write(b"HTTP/1.0 204 No Content\r\n\r\n")
        tls.close()
    except Exception:  # whoever breaks off a handshake is served next time
        pass
    connection.close()


listener = socket.create_server((address, int(port)), backlog=100)
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=talk, args=(accepted,), daemon=True).start()
