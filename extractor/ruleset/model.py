"""The shape of a rule pack as it is written, for the YAML door and for editors (JSON Schema comes from here).

Shape only: what the words mean together (a path, a pattern, a name that looks private) is checked by `load`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Scalar = StrictStr | StrictBool | StrictInt | StrictFloat
"""A value that a rule may compare with or send: text, a boolean, a number. Never null, a list or an object."""

_Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Id = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
_Text = Annotated[StrictStr, Field(min_length=1, max_length=2000)]


class Shape(BaseModel):
    """Base of everything in a pack: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BetweenShape(Shape):
    """A numeric range, both ends included; one end may be missing."""

    min: StrictInt | StrictFloat | None = None
    max: StrictInt | StrictFloat | None = None


class ConditionShape(Shape):
    """`field` with exactly one operator, or exactly one of `all`, `any`, `not`."""

    UNKNOWN_KEY: ClassVar[tuple[str, str]] = ("E103", "unknown operator")

    field: StrictStr | None = None
    equals: Scalar | None = None
    in_: Annotated[list[Scalar] | None, Field(alias="in", min_length=1)] = None
    exists: StrictBool | None = None
    starts_with: Annotated[StrictStr | None, Field(min_length=1)] = None
    ends_with: Annotated[StrictStr | None, Field(min_length=1)] = None
    contains: Annotated[StrictStr | None, Field(min_length=1)] = None
    between: BetweenShape | None = None
    matches: StrictStr | None = None
    all_: Annotated[list["ConditionShape"] | None, Field(alias="all", min_length=1)] = None
    any_: Annotated[list["ConditionShape"] | None, Field(alias="any", min_length=1)] = None
    not_: Annotated["ConditionShape | None", Field(alias="not")] = None


class DecodeShape(Shape):
    """How a field that holds text of another notation becomes a value with a name."""

    UNKNOWN_KEY: ClassVar[tuple[str, str]] = ("E109", "unknown decoder")

    ruby_inspect: StrictStr | None = None
    graphql: StrictStr | None = None
    variables: StrictStr | None = None
    operation_name: StrictStr | None = None


class ForEachShape(Shape):
    """One event for each element of the list at `in`, which the rule calls `as`."""

    in_: Annotated[StrictStr, Field(alias="in")]
    as_: Annotated[_Name, Field(alias="as")]


class RecallShape(Shape):
    """The value remembered as `memory` under the key `by`."""

    memory: _Name
    by: Annotated[list[StrictStr], Field(min_length=1)]


class ValueShape(Shape):
    """Where a value comes from, in this order: `from`, `recall`, `variable`, `constant`; and what it must be."""

    from_: Annotated[StrictStr | list[StrictStr] | None, Field(alias="from")] = None
    recall: RecallShape | None = None
    variable: _Name | None = None
    constant: Scalar | None = None
    ignore: Annotated[list[Scalar], Field(default_factory=list)]
    map: dict[StrictStr, Scalar] | None = None

    type: StrictStr = "string"
    enum: Annotated[list[Scalar] | None, Field(min_length=1)] = None
    pattern: StrictStr | None = None
    max_length: Annotated[StrictInt, Field(ge=1, le=1024)] = 255
    min: StrictInt | StrictFloat | None = None
    max: StrictInt | StrictFloat | None = None
    required: StrictBool = False
    free_text: Literal["checked", "unchecked"] = "checked"
    reason: _Text | None = None
    about: _Text | None = None


class VariableShape(Shape):
    """A value that the operator sets once in the config, with its type and constraints."""

    about: _Text
    type: StrictStr = "string"
    enum: Annotated[list[Scalar] | None, Field(min_length=1)] = None
    pattern: StrictStr | None = None
    max_length: Annotated[StrictInt, Field(ge=1, le=1024)] = 255
    min: StrictInt | StrictFloat | None = None
    max: StrictInt | StrictFloat | None = None


class OnceShape(Shape):
    """The event is one only the first time its key is seen; the key is shared by every rule of the event."""

    key: Annotated[list[StrictStr], Field(min_length=1)]


class ChangedShape(Shape):
    """The event is one only when `property` differs from the last one under the key; at first from `initial`."""

    key: Annotated[list[StrictStr], Field(min_length=1)]
    property: _Name
    initial: Scalar | None = None


class ForgetShape(Shape):
    """Makes a *once* or *changed* key of `event` new again."""

    event: _Name
    key: Annotated[list[StrictStr], Field(min_length=1)]


class RememberShape(Shape):
    """Keeps `value` as `memory` under the key `by`, for rules that recall it."""

    memory: _Name
    by: Annotated[list[StrictStr], Field(min_length=1)]
    value: ValueShape


class ExpectedShape(Shape):
    """An event as an example says it: what is not said is not compared, but `properties` is compared whole."""

    event: _Name | None = None
    user: StrictStr | None = None
    group: StrictStr | None = None
    time: StrictStr | None = None
    properties: dict[StrictStr, Scalar]


class ExampleShape(Shape):
    """One or more lines, met in order by an empty memory, and the events that they give. None: a near miss."""

    line: StrictStr | None = None
    lines: Annotated[list[StrictStr] | None, Field(min_length=1)] = None
    variables: dict[_Name, Scalar] = {}
    gives: list[ExpectedShape]
    because: _Text | None = None


class FragmentShape(Shape):
    """Parts of a rule that several rules share; a rule takes them with `use`."""

    about: _Text | None = None
    when: list[ConditionShape] = []
    decode: dict[_Name, DecodeShape] = {}
    for_each: Annotated[list[ForEachShape], Field(max_length=3)] = []
    user: ValueShape | None = None
    group: ValueShape | None = None
    time: StrictStr | list[StrictStr] | None = None
    key: Annotated[list[StrictStr] | None, Field(min_length=1)] = None
    once: OnceShape | None = None
    changed: ChangedShape | None = None
    forget: list[ForgetShape] = []
    remember: list[RememberShape] = []
    properties: dict[_Name, ValueShape] = {}


class RuleShape(FragmentShape):
    """One way in which one event (or a change of memory) shows in the log."""

    id: _Id
    event: _Name | None = None
    enabled: StrictBool = True
    use: list[_Name] = []
    examples: Annotated[list[ExampleShape], Field(min_length=1)]


class EventShape(Shape):
    """What the tracking plan says of an event."""

    about: _Text
    why: _Text | None = None


class StepShape(Shape):
    """A step of the funnel: the first `event` of an organization, or the first whose `property` has this value."""

    event: _Name
    about: _Text
    property: _Name | None = None
    equals: Scalar | None = None


class KindShape(Shape):
    """How kinds of lines are named, and which of them look like activations."""

    form: _Text
    activation: StrictStr | None = None


class PackShape(Shape):
    """A rule pack: a file of rules for one application."""

    pack: _Id
    version: Annotated[StrictInt, Field(ge=1)]
    about: _Text
    cannot_show: list[_Text] = []
    kinds: Annotated[list[KindShape], Field(max_length=20)] = []
    known_kinds: list[_Text] = []
    variables: dict[_Name, VariableShape] = {}
    events: dict[_Name, EventShape]
    funnel: Annotated[list[StepShape], Field(max_length=12)] = []
    fragments: dict[_Name, FragmentShape] = {}
    rules: Annotated[list[RuleShape], Field(min_length=1)]
