"""How a patient is reached: where letters go, by which number, and who speaks for them."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address, as sent.

    Attributes:
        lines: what stands above the town: street, building.
        postal_code: code of the town.
        city: the town.
        country: country as sent; empty: not told.
        mailing: the patient asks for letters there, and not at home (XAD-7 = M).

    """

    lines: tuple[str, ...] = ()
    postal_code: str = ""
    city: str = ""
    country: str = ""
    mailing: bool = False

    @property
    def usable(self) -> bool:
        """Whether a letter would arrive: it names a street or a place, and a town."""
        return bool(self.lines and self.city)


NO_ADDRESS = Address()


@dataclass(frozen=True, slots=True)
class Contact:
    """Where and how somebody is reached; what is empty was not told.

    Attributes:
        address: where letters go.
        phones: numbers as sent, a mobile first.
        email: address of electronic mail.

    """

    address: Address = NO_ADDRESS
    phones: tuple[str, ...] = ()
    email: str = ""

    def over(self, before: "Contact") -> "Contact":
        """Give it with what was told before where it says nothing (HL7 2.5.1 §2.5.3)."""
        return replace(
            self,
            address=self.address if self.address != NO_ADDRESS else before.address,
            phones=self.phones or before.phones,
            email=self.email or before.email,
        )


NO_CONTACT = Contact()


@dataclass(frozen=True, slots=True)
class Representative:
    """Who speaks for a minor or a protected adult (PAM.FR, NK1-7 = R).

    Attributes:
        family_name: family name.
        given_name: given name.
        contact: how they are reached.

    """

    family_name: str
    given_name: str = ""
    contact: Contact = NO_CONTACT
