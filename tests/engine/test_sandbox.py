"""Templates that would run for ever or fill the memory: stopped, and soon."""

from __future__ import annotations

import resource
import time

import pytest

from engine.sandbox import MAX_SECONDS, SandboxedTemplate, TemplateError

EXPLODING = {
    "silent loops": "{% for a in m %}{% for b in m %}{% for c in m %}{% endfor %}{% endfor %}{% endfor %}",
    "slow loops": "{% for a in m %}{% for b in m %}{% set x = m | join(s) %}{% endfor %}{% endfor %}",
    "doubling macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(100) }}",
    "call blocks": "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    "{% macro g(n) %}{% if n %}{% call f() %}{{ g(n - 1) }}{% endcall %}{% endif %}{% endmacro %}{{ g(100) }}",
    "+": "{% set n = namespace(x=s) %}{% for a in m %}{% set n.x = n.x + n.x %}{% endfor %}",
    "~": "{% set n = namespace(x=s) %}{% for a in m %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "list +": "{% set n = namespace(x=m) %}{% for a in m %}{% set n.x = n.x + n.x %}{% endfor %}",
    "replace": "{{ s.replace('x', s).replace('x', s) }}",
    "replace filter": "{{ s | replace('x', s) | replace('x', s) }}",
    "join": "{{ s.join(s.join(s)) }}",
    "join filter": "{{ s | join(s) | join(s) }}",
    "center": "{{ s.center(10 * 1000 * 1000 * 1000) }}",
    "ljust": "{{ s.ljust(10 * 1000 * 1000 * 1000) }}",
    "zfill": "{{ s.zfill(10 * 1000 * 1000 * 1000) }}",
    "expandtabs": "{{ '\t'.expandtabs(1000 * 1000 * 1000) }}",
    "format": "{{ '{:>1000000000}'.format(1) }}",
    "format_map": "{{ '{a:>1000000000}'.format_map({'a': 1}) }}",
    "indent filter": "{{ s | indent(1000 * 1000 * 1000, first=true) }}",
    "tojson indent": "{{ m | tojson(indent=1000 * 1000 * 1000) }}",
    "lipsum": "{{ lipsum(n=1000 * 1000) }}",
    "numbers": "{% set n = namespace(x=2) %}{% for a in m %}{% set n.x = n.x * n.x %}{% endfor %}",
    "range": "{{ range(1000 * 1000 * 1000) | list }}",
}


@pytest.mark.parametrize("name", EXPLODING)
def test_what_explodes_is_stopped(name: str):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.thread_time()
    with pytest.raises(TemplateError) as stopped:
        SandboxedTemplate(EXPLODING[name]).render({"m": list(range(1000)), "s": "x" * 5000})
    assert time.thread_time() - begun < 2 * MAX_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB
    assert len(str(stopped.value)) < 300


USUAL = {
    "{{ a ~ 1 ~ none }}": "text1None",
    "{{ 'x' + a[0] }}{{ 7 % 3 }}{{ 2 * 3 }}": "xt16",
    "{{ a.split('e')[-1].strip() | upper }}": "XT",
    "{{ a.replace('t', 'T', 1) }}{{ a | replace('t', '') }}": "Textex",
    "{{ ', '.join(['a', 'b']) }}{{ ['a', 'b'] | join('-') }}": "a, ba-b",
    "{{ [{'n': 1}, {'n': 2}] | map(attribute='n') | join(',') }}": "1,2",
    "{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(a) }}": "<text>",
    "{% for k, v in {'b': 1}.items() %}{{ k }}{{ v }}{% endfor %}": "b1",
    "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ loop.index0 }}{% endfor %}": "02",
    "{% set ns = namespace(s='') %}{% for x in 'ab' %}{% set ns.s = ns.s + x %}{% endfor %}{{ ns.s }}": "ab",
    "{{ {'b': 'é\"', 'a': [1]} | tojson }}{{ [1] | tojson(indent=2) }}": '{"b": "é\\"", "a": [1]}[\n  1\n]',
}


@pytest.mark.parametrize("source", USUAL)
def test_what_templates_do_still_works(source: str):
    assert SandboxedTemplate(source).render({"a": "text"}) == USUAL[source]
