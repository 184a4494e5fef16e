// The handler of all makers, as a service worker has it.
addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  if (request.method === "GET") {
    const name = new URL(request.url).searchParams.get("q") ?? "world";
    return new Response(`hello ${name}\n`);
  }
  return new Response(await request.arrayBuffer());
}
