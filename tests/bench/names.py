"""The services of the benches: svc-000000 and so on, ten instances each, with names of one length (tests/bench/load.c
makes the same), as lists of questions and as a zone file for servers that are not a registry."""

DOMAIN = "service.local"
PER_SERVICE = 10
PORT = 8080


def service(number):
    return f"svc-{number:06d}"


def octets(i):
    return 10, 100 + (i >> 14 & 127), 100 + (i >> 7 & 127), 100 + (i & 127)


def address(i):
    return ".".join(map(str, octets(i)))


def instance_id(i):
    return "-".join(map(str, octets(i))) + f"-{PORT}"


def instance_name(i):
    return f"{instance_id(i)}.{service(i // PER_SERVICE)}.{DOMAIN}"


def write_services(path, services, types):
    """A list for the generator: each service once for each of the types."""
    with open(path, "w", encoding="ascii") as f:
        for kind in types:
            f.writelines(f"{service(n)}.{DOMAIN} {kind} {PER_SERVICE}\n" for n in range(services))


def write_everything(path, services):
    """The addresses of each service and of each instance."""
    with open(path, "w", encoding="ascii") as f:
        f.writelines(f"{service(n)}.{DOMAIN} A {PER_SERVICE}\n" for n in range(services))
        f.writelines(f"{instance_name(i)} A 1\n" for i in range(services * PER_SERVICE))


def write_zone(path, services):
    """The same records as a zone file, relative to DOMAIN."""
    with open(path, "w", encoding="ascii") as f:
        f.write("$TTL 5\n@ SOA ns hostmaster 1 7200 1800 259200 5\n@ NS ns\nns A 127.0.0.1\n")
        for n in range(services):
            name = service(n)
            for i in range(n * PER_SERVICE, (n + 1) * PER_SERVICE):
                target = f"{instance_id(i)}.{name}"
                f.write(f"{name} A {address(i)}\n{name} SRV 0 1 {PORT} {target}\n{target} A {address(i)}\n")
