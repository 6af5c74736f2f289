"""A telephone menu in English and Kiswahili, with sub-menus. A key cuts any prompt short: nobody has to wait.

Nothing is remembered between two requests: where the caller is, and in which language, stands in the URL.
"""

import os
from dataclasses import dataclass, field

from aiohttp import web

from voice_app import Action, Sautikit, Settings, flow, run, say, voice_app

PERSON = os.environ.get("PERSON", "+254712000001")
TAG = {"en": "en-KE", "sw": "sw-KE"}


@dataclass(frozen=True)
class Stop:
    """A place in the menu: what is said there, and where each key leads. Without keys it leads back to `main`."""

    en: str
    sw: str
    keys: dict[str, str] = field(default_factory=dict)

    def said(self, language: str) -> Action:
        return say(self.sw if language == "sw" else self.en, TAG[language])


STOPS = {
    "main": Stop(
        "For your balance press 1. For loans press 2. To change the language press 9. For a person press 0.",
        "Kwa salio lako bonyeza 1. Kwa mikopo bonyeza 2. Kubadilisha lugha bonyeza 9. Kwa mhudumu bonyeza 0.",
        {"1": "balance", "2": "loans", "9": "language", "0": "person"},
    ),
    "loans": Stop(
        "To borrow press 1. To hear what you owe press 2. To go back press star.",
        "Kukopa bonyeza 1. Kusikia deni lako bonyeza 2. Kurudi nyuma bonyeza nyota.",
        {"1": "borrow", "2": "debt", "*": "main"},
    ),
    "balance": Stop("Your balance is KES 12,450.50.", "Salio lako ni KES 12,450.50."),
    "borrow": Stop("You may borrow up to KES 30,000.", "Unaweza kukopa hadi KES 30,000."),
    "debt": Stop("You owe nothing.", "Huna deni lolote."),
}
WELCOME = say("Welcome to Boresha Sacco. For English, press 1.")
KARIBU = say("Karibu Boresha Sacco. Kwa Kiswahili, bonyeza 2.", TAG["sw"])
UNKNOWN = {"en": "That key leads nowhere.", "sw": "Nambari hiyo haipo."}
GOODBYE = {
    "en": "Thank you for calling. Goodbye.",
    "sw": "Asante kwa kupiga simu. Kwaheri.",
}


def ask(*prompts: Action, at: str, language: str) -> web.Response:
    """Plays the prompts until a key is pressed, twice; then the caller is let go."""
    menu = {
        "numDigits": 1,
        "finishOnKey": "",  # so that every key is a choice, the hash as well
        "nested": prompts,
        "retries": 1,
        "action": f"/menu?at={at}&language={language}",
    }
    return flow({"getDigits": menu}, say(GOODBYE[language], TAG[language]))


async def answer(_: web.Request) -> web.Response:
    """A call comes in."""
    return ask(WELCOME, KARIBU, at="language", language="en")


async def menu(request: web.Request) -> web.Response:
    """A key was pressed at the stop `at`."""
    at, language = request.query["at"], request.query["language"]
    key = str((await request.post())["Digits"])
    if at == "language":
        chosen = {"1": "en", "2": "sw"}.get(key)
        return arrive("main", chosen) if chosen else ask(WELCOME, KARIBU, at="language", language=language)
    leads_to = STOPS[at].keys.get(key)
    if leads_to is None:
        return ask(say(UNKNOWN[language], TAG[language]), STOPS[at].said(language), at=at, language=language)
    return arrive(leads_to, language)


def arrive(stop: str, language: str) -> web.Response:
    if stop == "person":
        return flow({"dial": {"number": PERSON, "timeout": 25}}, say(GOODBYE[language], TAG[language]))
    if stop == "language":
        return ask(WELCOME, KARIBU, at="language", language=language)
    if STOPS[stop].keys:
        return ask(STOPS[stop].said(language), at=stop, language=language)
    return ask(STOPS[stop].said(language), STOPS["main"].said(language), at="main", language=language)


def make(api: Sautikit, _: Settings) -> web.Application:
    app = voice_app(api)
    app.router.add_post("/voice", answer)
    app.router.add_post("/menu", menu)
    return app


if __name__ == "__main__":
    run(make)
