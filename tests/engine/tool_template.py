"""A chat template built like Granite 4.0's: tools and documents in the system turn, calls in blocks."""

from __future__ import annotations

from typing import Final

TOOL_TEMPLATE: Final = """\
{%- macro turn(role, text) %}{{ '<|im_start|>' + role + '\\n' + text + '<|im_end|>\\n' }}{% endmacro %}
{%- set system = namespace(text='') %}
{%- if messages[0].role == 'system' %}{% set system.text = messages[0].content %}{% endif %}
{%- if tools %}
    {%- set system.text = system.text + '\\n\\nTools:\\n<tools>' %}
    {%- for tool in tools %}{% set system.text = system.text + '\\n' + (tool | tojson) %}{% endfor %}
    {%- set system.text = system.text + '\\n</tools>\\nAnswer with <tool_call> blocks.' %}
{%- endif %}
{%- if documents %}
    {%- set system.text = system.text + '\\n\\nDocuments:\\n<documents>' %}
    {%- for document in documents %}{% set system.text = system.text + '\\n' + (document | tojson) %}{% endfor %}
    {%- set system.text = system.text + '\\n</documents>' %}
{%- endif %}
{%- if system.text %}{{- turn('system', system.text) }}{% endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- turn(message.role, message.content) }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' + message.content }}
        {%- for call in message.tool_calls or [] %}
            {%- if message.content or not loop.first %}{{- '\\n' }}{% endif %}
            {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- turn('user', '\\n<tool_response>\\n' + message.content + '\\n</tool_response>') }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}
"""
