"""Elements that neither vendor has, and that both dialects take: those of our own published examples."""

from sautikitd.flow.xml.element import Attribute, Child, Element, Role, passed_over

PARAMETER = Element(name="Parameter", attributes=(Attribute(name="name"), Attribute(name="value")))

STREAM = Element(
    name="Stream",
    verb="stream",
    attributes=(
        *(
            Attribute(name=name, field=name)
            for name in (
                *("url", "protocol", "track", "connect", "outputSamplingRate", "bidirectionalSamplingRate"),
                *("name", "statusCallback", "statusEvents", "action", "method"),
            )
        ),
        Attribute(name="headerMetadata", field="headerMetadata", note="JSON text"),
        Attribute(name="openMetadata", field="openMetadata", note="JSON text"),
        *passed_over("statusCallbackMethod", note="the callback is a POST", silent=frozenset({"POST"})),
    ),
    children=(Child(element=PARAMETER, role=Role.PARAMETER, field="openMetadata"),),
    note="directly in the response it is our own, with the fields and defaults of the verb",
)
