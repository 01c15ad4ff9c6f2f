"""The state of a house and the passing of time.

Energy and matter only move. What leaves or enters the samples is recorded in `LabWorld.ledger`
under the name of its source or sink: the device or the room for heat, ``mains`` and ``drain`` for
water, ``plants`` for what plants drink, ``reactions`` for the heat of reactions (products take over
the temperature of what they arise from). Vapour stays in its vessel, whose lid is loose; vessels
themselves have no heat capacity.
"""

from __future__ import annotations

from collections.abc import Iterator

from qevolve_envs.lab.life import (
    DRINKS,
    SECONDS_PER_DAY,
    SPECIES,
    WILTS_AFTER,
)
from qevolve_envs.lab.physics import current, enthalpy, equalise, exchange
from qevolve_envs.lab.substances import (
    PAINT_MIXES,
    REACTIONS,
    SUBSTANCES,
)
from qevolve_envs.lab.things import VESSELS, Thing

ROOM_CELSIUS = 20.0
#: Heat flow between a vessel and the air of a room, W/K.
AIR = 0.05
_STILL = 1e-7  # A smaller difference in temperature moves no heat.


class Circuit:
    """A closed loop of parts.

    Attributes:
        parts: All parts of the loop.
        amperes: The current; 0 for a loop without a charged battery or with an open switch.
    """

    __slots__ = ("amperes", "parts")

    def __init__(self, parts: list[Thing]) -> None:
        self.parts = parts
        volts = sum(p.volts for p in parts if p.charge > 0)
        ohms = sum(p.ohms for p in parts)
        closed = all(p.on is not False for p in parts if p.role == "switch")
        self.amperes = current(volts, ohms) if closed and ohms > 0 else 0.0

    def power(self, part: Thing) -> float:
        """Watts that a part of the loop turns into heat, light or motion."""
        return self.amperes * self.amperes * part.ohms


class LabWorld:
    """A house, everything in it, and the clock.

    Attributes:
        rooms: Name -> room.
        doors: (room, room), sorted -> whether the door is open.
        beside: Name of a room -> names of the rooms beyond its doors, sorted.
        here: The room that the agent is in.
        hands: What the agent carries.
        seconds: Time since the beginning.
        events: What has been done, in order: ``focus:KEY``, ``measured:KEY`` …
        focused: Key of each thing that was focused on, in order.
        ledger: Source or sink -> J (or g, for matter) that the samples got from it.
        easy: Doors are open, and the agent may go to any room at once.
        keys: Key -> the thing that sub-goals mean by it.
    """

    def __init__(self, *, easy: bool = False) -> None:
        self.rooms: dict[str, Thing] = {}
        self.doors: dict[tuple[str, str], bool] = {}
        self.beside: dict[str, list[str]] = {}
        self.hands = Thing("hands", "hands")
        self.here = self.hands
        self.seconds = 0.0
        self.events: dict[str, None] = {}
        self.focused: list[str] = []
        self.ledger: dict[str, float] = {}
        self.easy = easy
        self.samples: list[Thing] = []
        self.growing: list[Thing] = []
        self.parts: list[Thing] = []
        self.keys: dict[str, Thing] = {}
        self._warm: list[Thing] | None = None
        self._circuits: list[Circuit] | None = None

    # ── where things are ────────────────────────────────────────────────────

    def add(self, thing: Thing, to: Thing) -> Thing:
        """Brings a new thing into the world."""
        thing.move(to)
        self.keys[thing.key] = thing
        if thing.kind == "sample":
            self.samples.append(thing)
        elif thing.kind == "growing":
            self.growing.append(thing)
        elif thing.kind == "part":
            self.parts.append(thing)
        return thing

    def sample(
        self, substance: str, grams: float, celsius: float, to: Thing, **names: str
    ) -> Thing:
        """Brings a new sample into a vessel."""
        thing = Thing(names.get("label") or substance, "sample", key=names.get("key", ""))
        thing.substance, thing.mass = substance, grams
        thing.h = enthalpy(substance, celsius)
        return self.add(thing, to)

    def visible(self) -> Iterator[Thing]:
        """Everything in sight: in the room, then in the agent's hands."""
        yield from self.here.walk()
        yield from self.hands.walk()

    def room_of(self, thing: Thing) -> Thing:
        """The room that a thing is in (the agent's, when it is carried)."""
        place = thing
        while place.parent is not None:
            place = place.parent
        return self.here if place is self.hands else place

    def book(self, name: str, amount: float) -> None:
        """Notes what the samples got from a source (negative: lost to a sink)."""
        self.ledger[name] = self.ledger.get(name, 0.0) + amount

    def touched(self) -> None:
        """To be called when anything moved or was switched: heat and current flow otherwise now."""
        self._warm = self._circuits = None

    # ── time ────────────────────────────────────────────────────────────────

    def advance(self, seconds: float) -> None:
        """Lets time pass: heat flows, batteries drain, things grow."""
        self.seconds += seconds
        self._heat(seconds)
        for circuit in self.circuits():
            if circuit.amperes:
                self._drain(circuit, seconds)
        for thing in self.growing:
            if not thing.dead:
                self._grow(thing, seconds / SECONDS_PER_DAY)

    def source(self, sample: Thing) -> tuple[Thing, float, float]:
        """Neighbours that a sample exchanges heat with: (thing, its temperature, conductance)."""
        place = sample.parent
        while place is not None and place.parent is not None:
            if place.kind == "heater" and place.on:
                return place, place.celsius, place.conductance
            if place.kind == "cooler" and place.open is False:
                return place, place.celsius, place.conductance
            place = place.parent
        return self.here if place is None or place is self.hands else place, ROOM_CELSIUS, AIR

    def _heat(self, seconds: float) -> None:
        if self._warm is None:
            self._warm = list(self.samples)
        still: list[Thing] = []
        crowded: dict[int, Thing] = {}
        for sample in self._warm:
            source, celsius, conductance = self.source(sample)
            if abs(sample.temperature - celsius) < _STILL:
                continue
            still.append(sample)
            vessel = sample.parent
            alone = vessel is None or len(vessel.things) < 2
            before = sample.h
            sample.h = exchange(
                sample.substance, sample.mass, before, celsius, conductance, seconds
            )
            self.book(f"heat:{source.name}", (sample.h - before) * sample.mass)
            if not alone and vessel is not None:
                crowded[id(vessel)] = vessel
        for vessel in crowded.values():
            self.settle(vessel)
        # Content that evens out its temperature may have to be looked at again.
        self._warm = still if not crowded else None

    def settle(self, vessel: Thing) -> None:
        """Brings what is in a vessel to one temperature."""
        samples = [s for s in vessel.things if s.kind == "sample"]
        values = equalise([(s.substance, s.mass, s.h) for s in samples])
        for sample, h in zip(samples, values, strict=True):
            sample.h = h

    def _drain(self, circuit: Circuit, seconds: float) -> None:
        batteries = [p for p in circuit.parts if p.charge > 0]
        for battery in batteries:
            used = min(battery.charge, battery.volts * circuit.amperes * seconds)
            battery.charge -= used
            self.book("batteries", -used)
            self.book("light and heat", used)
            if battery.charge <= 0:
                self._circuits = None

    def _grow(self, thing: Thing, days: float) -> None:
        species = SPECIES[thing.species]
        if not species.plant:
            thing.days += days
            return
        pot = thing.parent
        if pot is None or pot.kind != "pot" or not self.room_of(thing).lit:
            return
        if not any(s.substance == "soil" for s in pot.things):
            return
        water = next(
            (s for s in pot.things if s.substance == "water" and s.phase == "liquid"), None
        )
        wet = 0.0 if water is None else min(days, water.mass / DRINKS)
        if water is not None:
            self.book("plants", -wet * DRINKS)
            self.book("heat:plants", -wet * DRINKS * water.h)
            water.mass -= wet * DRINKS
            if water.mass <= 1e-9:
                self.discard(water)
        # Without pollination no fruit is set: the plant stays in flower.
        limit = float("inf") if thing.pollinated else species.starts[3] - 1e-6
        thing.days = min(thing.days + wet, max(limit, thing.days))
        thing.dry = 0.0 if wet >= days else thing.dry + days - wet
        if thing.dry > WILTS_AFTER and thing.stage > 0:
            thing.dead = True

    def discard(self, sample: Thing) -> None:
        """Takes a sample out of the world (its content was booked or moved before)."""
        sample.remove()
        self.samples.remove(sample)
        self.touched()

    # ── pouring and mixing ──────────────────────────────────────────────────

    def pour(self, vessel: Thing, to: Thing) -> None:
        """All content of a vessel moves to another; a tap takes it down the drain."""
        for sample in [s for s in vessel.things if s.kind == "sample"]:
            if to.kind == "tap":
                self.book("drain", -sample.mass)
                self.book("heat:drain", -sample.mass * sample.h)
                self.discard(sample)
                continue
            twin = next(
                (s for s in to.things if s.substance == sample.substance and s.kind == "sample"),
                None,
            )
            if twin is None:
                sample.move(to)
                continue
            total = twin.mass + sample.mass
            twin.h = (twin.h * twin.mass + sample.h * sample.mass) / total
            twin.mass = total
            if sample.key != sample.substance:
                twin.key, twin.name = sample.key, sample.name
                self.keys[twin.key] = twin
            self.discard(sample)
        self.settle(to)
        self.touched()

    def fill(self, vessel: Thing, grams: float, tap: Thing) -> None:
        """Water from a tap."""
        fresh = Thing("water", "sample")
        fresh.substance, fresh.mass, fresh.h = "water", grams, enthalpy("water", ROOM_CELSIUS)
        self.book("mains", grams)
        self.book("heat:mains", grams * fresh.h)
        carrier = Thing("stream", "vessel")
        self.add(fresh, carrier)
        self.pour(carrier, vessel)

    def react(self, vessel: Thing) -> list[str]:
        """Stirs: whatever can react in a vessel does. Returns the names of the products."""
        made: list[str] = []
        for _ in range(8):  # Products may react again; no chain of the table is longer.
            here = {s.substance: s for s in vessel.things if s.kind == "sample"}
            new = self._mix_paints(here, vessel) or self._react_once(here, vessel)
            if not new:
                break
            made += new
        self.touched()
        return made

    def _mix_paints(self, here: dict[str, Thing], vessel: Thing) -> list[str]:
        for (one, two), colour in PAINT_MIXES.items():
            a, b = here.get(f"{one} paint"), here.get(f"{two} paint")
            if a is not None and b is not None:
                shares = [(f"{colour} paint", a.mass + b.mass)]
                return self._replace([(a, a.mass), (b, b.mass)], shares, vessel)
        return []

    def _react_once(self, here: dict[str, Thing], vessel: Thing) -> list[str]:
        for reaction in REACTIONS:
            found = [(here.get(name), n) for name, n in reaction.reagents]
            if reaction.wet and "water" not in here:
                continue
            used: list[tuple[Thing, int]] = [(s, n) for s, n in found if s is not None]
            if len(used) < len(found):
                continue
            moles = min(s.mass / (n * SUBSTANCES[s.substance].molar) for s, n in used)
            taken = [(s, moles * n * SUBSTANCES[s.substance].molar) for s, n in used]
            total = sum(grams for _, grams in taken)
            parts = [(name, n * SUBSTANCES[name].molar) for name, n in reaction.products]
            # Scaled by the rounding of the molar masses, so that matter is conserved exactly.
            scale = total / sum(grams for _, grams in parts)
            return self._replace(taken, [(name, g * scale) for name, g in parts], vessel)
        return []

    def _replace(
        self, taken: list[tuple[Thing, float]], given: list[tuple[str, float]], vessel: Thing
    ) -> list[str]:
        celsius = taken[0][0].temperature
        energy = 0.0
        for sample, grams in taken:
            energy -= sample.h * grams
            sample.mass -= grams
            if sample.mass <= 1e-9 * grams:
                self.discard(sample)
        for name, grams in given:
            twin = next((s for s in vessel.things if s.substance == name), None)
            h = enthalpy(name, celsius)
            energy += h * grams
            if twin is None:
                self.sample(name, grams, celsius, vessel)
            else:
                twin.h = (twin.h * twin.mass + h * grams) / (twin.mass + grams)
                twin.mass += grams
        self.book("heat:reactions", energy)
        self.settle(vessel)
        return [name for name, _ in given]

    # ── circuits ────────────────────────────────────────────────────────────

    def circuits(self) -> list[Circuit]:
        """The closed loops. A part has two ends, so that every loop is a series circuit."""
        if self._circuits is None:
            self._circuits = []
            done: list[Thing] = []
            for start in self.parts:
                if start.role != "battery" or start in done:
                    continue
                loop = _loop(start)
                done += loop
                if loop:
                    self._circuits.append(Circuit(loop))
        return self._circuits

    def power(self, part: Thing) -> float:
        """Watts that a part gets now."""
        return next((c.power(part) for c in self.circuits() if part in c.parts), 0.0)

    def works(self, part: Thing) -> bool:
        """Tells whether a lamp shines brightly, a motor turns …"""
        return self.power(part) >= part.rated

    def disconnect(self, part: Thing) -> None:
        """Takes a part out of whatever it is connected to."""
        for other in part.ends:
            other.ends.remove(part)
        part.ends.clear()
        self.touched()


def _loop(start: Thing) -> list[Thing]:
    """The parts of the ring that `start` is in, or nothing."""
    if len(start.ends) < 2:
        return []
    loop, last, part = [start], start, start.ends[0]
    while part is not start:
        loop.append(part)
        if len(part.ends) < 2:
            return []
        one, two = part.ends
        last, part = part, (two if one is last else one)
    return loop


def is_vessel(thing: Thing) -> bool:
    """Tells whether something can be poured into or out of it."""
    return thing.kind in VESSELS
