"""The rule of routers that have none (providers.md §1.7): a Go template over what is known of an instance."""

from typing import Final

from attrs import frozen

from pointsman.dialect.gotemplate import RULE_FUNCTIONS, Record, StringMap, Template
from pointsman.dialect.instances.instance import Instance

DEFAULT_RULE: Final = "Host(`{{ normalize .Name }}`)"


@frozen
class DefaultRule:
    template: Template

    @classmethod
    def parse(cls, text: str, *, name: str) -> "DefaultRule":
        """`name` is the path that errors give. TemplateError if it is no template; "" is the dialect's own."""
        return cls(Template.parse(text or DEFAULT_RULE, name=name, functions=RULE_FUNCTIONS))

    def of(self, instance: Instance) -> str:
        """The text for an instance. TemplateError if that fails."""
        fields = {"Name": instance.name, "Labels": StringMap(instance.labels), **instance.fields}
        return self.template.render(Record("struct", fields))
