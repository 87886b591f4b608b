"""A Python worker whose spans go to an OTLP receiver: activity "charge" on the given task queue. Prints "ready" when it polls.

    traced.py --address HOST:PORT --queue NAME --otlp HOST:PORT
"""

import argparse
import asyncio
import signal

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Worker


@activity.defn
async def charge(amount: int) -> int:
    with trace.get_tracer("shop").start_as_current_span("card"):
        return amount * 2


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--address", "--queue", "--otlp"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    provider = TracerProvider(resource=Resource.create({"service.name": "python-worker"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=arguments.otlp, insecure=True)))
    trace.set_tracer_provider(provider)
    client = await Client.connect(arguments.address, interceptors=[TracingInterceptor()])
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Worker(client, task_queue=arguments.queue, activities=[charge]):
        print("ready", flush=True)
        await stop.wait()
    provider.shutdown()


asyncio.run(main())
