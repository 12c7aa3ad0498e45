"""Who is in the demonstration. Nobody is real: the numbers are from ranges kept for fiction, or made up."""

from dataclasses import dataclass

PASSWORD = "demo"
OWNER = ("Casa Lume", "5511940000001")
SECOND = ("Casa Lume Trade", "5511940000002")

# These three are live clients: they write, and they see what is pinned.
LIVE = [("Ana Souza", "5511940000101"), ("Bruno Lima", "5521940000102"), ("Chloe Martin", "447700900103")]

NAMES = """
Diego Fernández, Associação de Moradores do Residencial Jardim das Acácias, Elena Petrova, Farid Haddad, Grace
Okafor, Hugo Almeida, Inês Carvalho, Jonas Weber, Keiko Tanaka, Lucía Romero, Marcos Pereira, Nina Kowalska,
Oscar Lindqvist, Patrícia Gomes, Quentin Dubois, Rosa Jiménez, Samuel Costa, Tomás Herrera, Úrsula Vega,
Valentina Rossi, William Carter, Ximena Flores, Yusuf Demir, Zoë Jansen, Aisha Rahman, Beatriz Nunes, Carlos
Mendes, Dora Silva, Emil Novak, Fernanda Dias, Gustavo Rocha, Helena Prado, Ivan Horvat
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is not live: they only stand in the past."""

    name: str
    phone: str


def extras() -> list[Person]:
    """Contacts of the past."""
    names = [name.strip() for name in NAMES.replace("\n", " ").split(",")]
    return [Person(name, f"5511940001{number:03d}") for number, name in enumerate(names, start=1)]
