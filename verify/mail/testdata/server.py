"""An SMTP server for one test, with a login and TLS. Its arguments are
PORT CERT KEY MODE USER PASSWORD FOLDER, where MODE is starttls or tls.

Each mail is written to FOLDER/N.json: who sent it to whom, as what, and its text.
"""
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

port, cert, key, mode, user, password, folder = sys.argv[1:]


class Keep:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        Keep.count += 1
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "user": session.auth_data,
            "tls": session.ssl is not None or mode == "tls",
            "text": envelope.content.decode("utf-8"),
        }
        path = os.path.join(folder, "%d.json" % Keep.count)
        with open(path + ".new", "w") as f:
            json.dump(mail, f)
        os.rename(path + ".new", path)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login.decode() == user and data.password.decode() == password
    return AuthResult(success=right, handled=False, auth_data=data.login.decode() if right else None)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def session():
        return SMTP(
            Keep(),
            hostname="localhost",
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=mode == "starttls",
            require_starttls=mode == "starttls",
            tls_context=context if mode == "starttls" else None,
            enable_SMTPUTF8=True,
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", int(port), ssl=context if mode == "tls" else None
    )
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
