"""What the made-up people of the past wrote: a furniture shop and its customers, in three languages."""

import random

THINGS = [
    "the oak table",
    "the reading lamp",
    "a set of six chairs",
    "the grey sofa",
    "the walnut shelf",
    "a coat rack",
    "the linen curtains",
    "the round mirror",
    "the garden bench",
    "a bedside table",
    "the wool rug",
    "the desk",
    "a mesa de carvalho",
    "a luminária",
    "o sofá cinza",
    "la mesa redonda",
    "las sillas",
    "el espejo",
]
CUSTOMER = [
    "Hi! Is {thing} still available?",
    "Good morning, any news about order {order}?",
    "Could you send me the invoice for {order}?",
    "The delivery of {thing} was perfect, thank you!",
    "One leg of {thing} arrived scratched, what can we do?",
    "Can I change the address of order {order} to Rua das Flores 120?",
    "How much is delivery to Campinas?",
    "We would like {thing} in a darker tone.",
    "Do you have an appointment on Thursday at 15:30?",
    "Is there a discount if I take two?",
    "Please call me when {thing} is ready.",
    "Perfect, I'll take it.",
    "Bom dia! {thing} ainda está disponível?",
    "Podem entregar {order} no sábado?",
    "Qual o prazo para {thing}?",
    "Obrigada, chegou tudo certinho!",
    "¿Tienen {thing} en stock?",
    "¿Me pasan el número de seguimiento de {order}?",
    "Gracias, quedó precioso en la sala.",
    "The gate code is 4471, the bell is broken.",
    "Can I pay by transfer?",
    "I measured again: 182 cm, so the smaller one.",
    "Who assembles it, you or the carrier?",
    "👍",
    "Great, see you then!",
]
SHOP = [
    "Hello! Yes, we have {thing} in stock.",
    "Order {order} left the workshop this morning.",
    "I have sent the invoice of {order} to your e-mail.",
    "We are sorry! We will replace it this week, free of charge.",
    "Done, the new address is on the order.",
    "Delivery there is 48.00, and free from 600.00 on.",
    "Of course. We can do that in walnut too.",
    "Thursday at 15:30 is yours.",
    "Two of them: 10% off.",
    "Bom dia! Temos sim, entrega em até 5 dias.",
    "Sim, sábado entre 9h e 13h.",
    "O prazo é de 12 dias úteis.",
    "¡Hola! Sí, quedan tres unidades.",
    "Su número de seguimiento es BR{order}7.",
    "Our team assembles it on the spot.",
    "You can pay by transfer or card, as you like.",
    "Thank you for telling us!",
    "We will call you when it is ready.",
    "Noted: gate code on the delivery sheet.",
    "Anything else we can do for you?",
]
TEAM = [
    "Truck 2 is back, {order} is delivered.",
    "Who has the keys of the storeroom?",
    "Customer of {order} asks for Thursday.",
    "New price list is on the shared drive.",
    "Please double-check the measures on {order}.",
    "On my way.",
    "Done ✅",
    "Photos of {thing} are in the folder.",
    "Stock count on Friday at 8:00, everybody please.",
    "{thing}: two left.",
    "Carrier is late again, I told the customers.",
    "Lunch at 12:30?",
    "Great month, thank you all!",
]


def order(dice: random.Random) -> str:
    """The number of an order."""
    return f"CL-{dice.randint(1000, 9899)}"


def line(dice: random.Random, lines: list[str]) -> str:
    """One line, filled in."""
    text = dice.choice(lines)
    filled = text.format(thing=dice.choice(THINGS), order=order(dice))
    return filled[0].upper() + filled[1:]
