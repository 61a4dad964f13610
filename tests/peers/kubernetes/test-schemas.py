# SPDX-License-Identifier: LGPL-2.1-or-later
"""What we send to a cluster is what KubeVirt and CDI have published, without a field more.

usage: test-schemas.py OBJECTS    (the program that prints the objects)
"""
import json
import re
import shutil
import subprocess
import sys

import jsonschema
import yaml

MODULE, SUM = 'kubevirt.io/kubevirt@v1.5.0', 'h1:J/vHB2rwXwf5/rQIjDmK+E7wZFg0TCxyl4o0btO6QeE='
CRDS = 'pkg/virt-operator/resource/generate/components/validations_generated.go'
SWAGGER = 'api/openapi-spec/swagger.json'
PLAIN = ('type', 'required', 'enum', 'pattern', 'minimum', 'maximum', 'maxLength', 'maxItems')


def skip(why):
    print(f'1..0 # SKIP {why}')
    sys.exit(0)


def fetch():
    """The folder of the module."""
    if not shutil.which('go'):
        skip('Go is not installed')
    result = subprocess.run(['go', 'mod', 'download', '-json', MODULE], cwd='/', text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    module = json.loads(result.stdout or '{}')
    if 'Dir' not in module:
        skip(f'{MODULE} cannot be had: {module.get("Error", "go failed").splitlines()[0]}')
    assert module['Sum'] == SUM, f'{MODULE} is {module["Sum"]}'
    return module['Dir']


def strict(schema, definitions):
    """A structural schema as JSON schema, which takes nothing that the API server would drop."""
    if '$ref' in schema:
        schema = definitions[schema['$ref'].rpartition('/')[2]]
    if schema.get('x-kubernetes-int-or-string') or schema.get('format') == 'int-or-string':
        return {'type': ['string', 'integer']}
    made = {k: v for k, v in schema.items() if k in PLAIN}
    if 'properties' in schema:
        made['properties'] = {k: strict(v, definitions) for k, v in schema['properties'].items()}
        if not schema.get('x-kubernetes-preserve-unknown-fields'):
            made['additionalProperties'] = False
    if isinstance(schema.get('additionalProperties'), dict):
        made['additionalProperties'] = strict(schema['additionalProperties'], definitions)
    if 'items' in schema:
        made['items'] = strict(schema['items'], definitions)
    return made


def load(folder):
    """Kind to schema of its spec."""
    with open(f'{folder}/{CRDS}', encoding='utf-8') as f:
        text = re.search(r'\t"virtualmachine": `(.*?)`,\n', f.read(), re.S)[1]
    vm = yaml.safe_load(text)['openAPIV3Schema']['properties']['spec']
    with open(f'{folder}/{SWAGGER}', encoding='utf-8') as f:
        definitions = json.load(f)['definitions']
    return {'VirtualMachine': strict(vm, {}),
            'DataVolume': strict(definitions['v1beta1.DataVolumeSpec'], definitions)}


def main():
    validators = {k: jsonschema.Draft7Validator(s) for k, s in load(fetch()).items()}
    lines = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, check=True).stdout.splitlines()
    print('TAP version 13')
    for n, line in enumerate(lines, 1):
        thing = json.loads(line)
        errors = [f'{".".join(map(str, e.absolute_path))}: {e.message}'
                  for e in validators[thing['kind']].iter_errors(thing['spec'])]
        for error in errors:
            print(f'# {error}')
        print('not ok' if errors else 'ok', n, thing['kind'], thing['metadata']['name'])
    # It would tell.
    thing = json.loads(lines[0])
    thing['spec']['template']['spec']['domain']['cpu']['core'] = 1
    told = any(validators['VirtualMachine'].iter_errors(thing['spec']))
    print('ok' if told else 'not ok', len(lines) + 1, 'an unknown field')
    print(f'1..{len(lines) + 1}')


if __name__ == '__main__':
    main()
