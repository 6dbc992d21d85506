"""The distribution baremetal-sdk: the runtime."""

from pathlib import Path

from setuptools import setup

PACKAGES = [
    "baremetal_sdk",
    "baremetal_sdk.api",
    "baremetal_sdk.api.access",
    "baremetal_sdk.api.events",
    "baremetal_sdk.api.framework",
    "baremetal_sdk.api.v1",
    "baremetal_sdk.auth",
    "baremetal_sdk.bmc",
    "baremetal_sdk.cli",
    "baremetal_sdk.cluster",
    "baremetal_sdk.concurrency",
    "baremetal_sdk.concurrency.pool",
    "baremetal_sdk.conductor",
    "baremetal_sdk.config",
    "baremetal_sdk.doctor",
    "baremetal_sdk.drivers",
    "baremetal_sdk.drivers.builtin",
    "baremetal_sdk.http",
    "baremetal_sdk.inspection_rules",
    "baremetal_sdk.observability",
    "baremetal_sdk.observability.metrics",
    "baremetal_sdk.polling",
    "baremetal_sdk.power_sync",
    "baremetal_sdk.provisioning",
    "baremetal_sdk.rpc",
    "baremetal_sdk.sensors",
    "baremetal_sdk.services",
    "baremetal_sdk.store",
    "baremetal_sdk.store.memory",
    "baremetal_sdk.store.records",
    "baremetal_sdk.store.sql",
    "baremetal_sdk.store.sql.migrations",
    "baremetal_sdk.store.sql.migrations.versions",
    "baremetal_sdk.tasks",
    "baremetal_sdk.update_rules",
]

ENTRY_POINTS = {
    "console_scripts": [
        "baremetal-sdk = baremetal_sdk.cli.command:main",
    ],
    "oslo.policy.policies": [
        "baremetal_sdk = baremetal_sdk.api.access.oslo_policy:list_rules",
    ],
    "baremetal.interfaces.bios": [
        "no-bios = baremetal_sdk.drivers.builtin.absent:NoBIOS",
    ],
    "baremetal.interfaces.boot": [
        "pxe = baremetal_sdk.drivers.builtin.network_boot:PXEBoot",
        "ipxe = baremetal_sdk.drivers.builtin.network_boot:IPXEBoot",
    ],
    "baremetal.interfaces.console": [
        "no-console = baremetal_sdk.drivers.builtin.absent:NoConsole",
    ],
    "baremetal.interfaces.deploy": [
        "ramdisk = baremetal_sdk.drivers.builtin.ramdisk:RamdiskDeploy",
        "direct = baremetal_sdk.drivers.builtin.agent:DirectDeploy",
        "custom-agent = baremetal_sdk.drivers.builtin.agent:CustomAgentDeploy",
    ],
    "baremetal.interfaces.firmware": [
        "no-firmware = baremetal_sdk.drivers.builtin.absent:NoFirmware",
    ],
    "baremetal.interfaces.inspect": [
        "no-inspect = baremetal_sdk.drivers.builtin.absent:NoInspect",
        "agent = baremetal_sdk.drivers.builtin.agent:AgentInspect",
    ],
    "baremetal.interfaces.management": [
        "noop = baremetal_sdk.drivers.builtin.noop:NoopManagement",
    ],
    "baremetal.interfaces.network": [
        "noop = baremetal_sdk.drivers.builtin.noop:NoopNetwork",
    ],
    "baremetal.interfaces.raid": [
        "no-raid = baremetal_sdk.drivers.builtin.absent:NoRAID",
        "agent = baremetal_sdk.drivers.builtin.agent:AgentRAID",
    ],
    "baremetal.interfaces.rescue": [
        "no-rescue = baremetal_sdk.drivers.builtin.absent:NoRescue",
        "agent = baremetal_sdk.drivers.builtin.agent:AgentRescue",
    ],
    "baremetal.interfaces.storage": [
        "noop = baremetal_sdk.drivers.builtin.noop:NoopStorage",
    ],
    "baremetal.interfaces.vendor": [
        "no-vendor = baremetal_sdk.drivers.builtin.absent:NoVendor",
    ],
}

setup(
    name="baremetal-sdk",
    version="0.1.0",
    description="Bare-metal management as a library: a conductor, its store and the Bare Metal API inside a service of your own",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=PACKAGES,
    package_dir={"": "."},
    package_data={
        "baremetal_sdk": ["py.typed"],
        "baremetal_sdk.cli": ["template/*.template", "template/*/*.template"],
        "baremetal_sdk.store.sql.migrations": ["*.mako"],
    },
    entry_points=ENTRY_POINTS,
    install_requires=[
        "baremetal-interfaces>=0.1.0,<0.2",
        "alembic>=1.13,<2",
        "bcrypt>=4.1,<6",
        "cheroot>=11.1.2,<12",
        "cryptography>=42,<51",
        "orjson>=3.9,<4",
        "oslo.config>=9.6,<11",
        "SQLAlchemy>=2.0.30,<2.1",
        "WebOb>=1.8.9,<2",
    ],
    extras_require={
        "futurist": ["futurist>=3.1.1,<4"],
        "keystone": ["keystoneauth1>=5.6,<6", "keystonemiddleware>=10.6,<14", "oslo.policy>=4.4,<7"],
        "mariadb": ["PyMySQL>=1.1,<2"],
        "metrics": ["prometheus-client>=0.20,<1"],
        "oslo-messaging": ["oslo.messaging>=17,<19", "oslo.service[threading]>=4.8,<5"],
        "oslo-service": ["oslo.service[threading]>=4.8,<5"],
        "tooz": ["tooz[etcd3gw]>=6,<9"],
        "tracing": ["opentelemetry-api>=1.20,<2"],
        "postgresql": ["psycopg[binary]>=3.1.18,<4"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: OpenStack",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: System :: Systems Administration",
        "Typing :: Typed",
    ],
)
