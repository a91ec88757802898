"""Three teams use the help desk for a moment: `python people.py app.log`."""

import sys
from pathlib import Path
from typing import Any

import app
from django.test import Client


class Team:
    """A team that has registered, and what it does."""

    def __init__(self, name: str, email: str, plan: str) -> None:
        """Sign up."""
        self._client = Client()
        self._headers: dict[str, str] = {}
        made = self._ask("post", "/teams", name=name, email=email, plan=plan)
        self._headers = {"X-Team": made["team"], "X-Member": made["member"]}

    def _ask(self, method: str, url: str, **body: Any) -> dict[str, Any]:
        sent = getattr(self._client, method)(url, body, "application/json", headers=self._headers)
        answer: dict[str, Any] = sent.json()
        return answer

    def connect(self, kind: str, address: str) -> None:
        """Connect a channel, or change it."""
        self._ask("put", "/channels", kind=kind, address=address)

    def invite(self, email: str, role: str = "agent") -> None:
        """Invite a colleague."""
        self._ask("post", "/invitations", email=email, role=role)

    def receive(self, channel: str, subject: str) -> str:
        """A customer of the team asks something."""
        return str(self._ask("post", "/tickets", channel=channel, subject=subject).get("ticket", ""))

    def set_state(self, ticket: str, state: str, note: str = "") -> None:
        """Work on a ticket."""
        self._ask("put", f"/tickets/{ticket}", state=state, note=note)


def main() -> None:
    """One team gets all the way, one stops half way, one only registers."""
    app.start(Path(sys.argv[1]))
    acme = Team("Acme Räder", "grace.hopper@acme.example", "trial")
    acme.receive("email", "Nobody reads this yet")
    acme.connect("email", "help@acme.example")
    acme.connect("email", "support@acme.example")
    acme.connect("chat", "+49 30 901820")
    acme.invite("ada@acme.example")
    acme.invite("alan@acme.example", "admin")
    first = acme.receive("email", "My bike of 1.299,00 EUR squeaks")
    second = acme.receive("chat", "Call me: +49 171 2345678")
    acme.set_state(first, "pending", "asked Edsger for a part")
    acme.set_state(first, "pending", "asked again")
    acme.set_state(first, "solved", "oiled")
    acme.set_state(second, "solved")
    acme.set_state(second, "open", "still squeaks")
    globex = Team("Globex", "hank@globex.example", "business")
    globex.connect("email", "hello@globex.example")
    globex.invite("marge@globex.example", "owner of everything")
    Team("Initech", "bill@initech.example", "trial")


if __name__ == "__main__":
    main()
