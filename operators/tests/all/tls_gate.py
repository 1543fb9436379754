"""Lets through to a server of its own by TLS whoever trusts its authority, and shows a certificate of it if that is wanted.

    python tls_gate.py SERVER FOLDER yes|no

SERVER is the path of a socket, or HOST:PORT. What a client needs is written into FOLDER; the port is printed.
"""

import datetime
import ipaddress
import pathlib
import socket
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

server, folder, wants_certificate = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3] == "yes"
now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
authority = ec.generate_private_key(ec.SECP256R1())


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def write(name, subject, key, extension, signed_by=authority):
    made = x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named("authority"))
    made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - day).not_valid_after(now + day)
    made = made.add_extension(extension, critical=True).sign(signed_by, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(*private))


write("ca", "authority", authority, x509.BasicConstraints(ca=True, path_length=None))
names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
for name in ("server", "client"):
    write(name, name, ec.generate_private_key(ec.SECP256R1()), names)
# One that an authority of the same name has signed.
write("stranger", "client", ec.generate_private_key(ec.SECP256R1()), names, signed_by=ec.generate_private_key(ec.SECP256R1()))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder / "server.pem", folder / "server.key")
if wants_certificate:
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED


def pass_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def reach():
    if server.startswith("/"):
        inside = socket.socket(socket.AF_UNIX)
        inside.connect(server)
        return inside
    host, port = server.rsplit(":", 1)
    return socket.create_connection((host, int(port)))


def serve(connection):
    try:
        secured = context.wrap_socket(connection, server_side=True)
    except (ssl.SSLError, OSError):
        return
    inside = reach()
    threading.Thread(target=pass_on, args=[secured, inside], daemon=True).start()
    pass_on(inside, secured)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
