// A softphone on JsSIP.
"use strict";

window.makePhone = ({ url, user, password, domain, codec, ice }) => {
  const JsSIP = requirePackage("jssip");
  const rtc = { iceServers: ice.servers, iceTransportPolicy: ice.policy };
  const agent = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(url)],
    uri: `sip:${user}@${domain}`,
    password,
    session_timers: false,
  });
  const until = (emitter, good, bad = []) =>
    new Promise((resolve, reject) => {
      emitter.once(good, resolve);
      for (const name of bad) emitter.once(name, (event) => reject(new Error(`${name}: ${event.cause}`)));
    });
  let session = null;
  let asking = null;
  agent.on("newRTCSession", (event) => {
    session = event.session;
    session.on("sdp", (description) => {
      // Offers of either side: what is left out of them is in no answer.
      if (description.type === "offer") description.sdp = onlyCodec(description.sdp, codec);
    });
  });
  const rung = until(agent, "newRTCSession");
  return {
    register: async () => {
      const registered = until(agent, "registered", ["registrationFailed"]);
      agent.start();
      await registered;
    },
    call: async (number) => {
      agent.call(`sip:${number}@${domain}`, { mediaConstraints: MICROPHONE, pcConfig: rtc });
      await until(session, "confirmed", ["failed"]);
    },
    answer: async () => {
      await rung;
      session.answer({ mediaConstraints: MICROPHONE, pcConfig: rtc });
      await until(session, "confirmed", ["failed"]);
    },
    connection: () => session.connection,
    press: (digit) => session.sendDTMF(digit, { transportType: "RFC2833" }),
    hold: () => new Promise((done) => session.hold({}, done)),
    resume: () => new Promise((done) => session.unhold({}, done)),
    // An attended transfer: the first call on hold, a second one to whom is asked, and a REFER that names it (RFC 5589).
    ask: async function (number) {
      asking = session;
      await this.hold();
      await this.call(number);
    },
    putTogether: async () => {
      const [kept, asked] = [asking, session];
      const over = Promise.all([until(kept, "ended"), until(asked, "ended")]);
      const told = await new Promise((resolve) => {
        const seen = [];
        const note = (name, last) => (event) => {
          seen.push(event.status_line ? `${event.status_line.status_code}` : name);
          if (last) resolve(seen);
        };
        kept.refer(asked.remote_identity.uri, {
          replaces: asked,
          eventHandlers: {
            requestSucceeded: note("accepted", false),
            requestFailed: note("refused", true),
            trying: note("trying", false),
            accepted: note("done", true),
            failed: note("failed", true),
          },
        });
      });
      if (told.at(-1) === "200") await over;
      return told;
    },
    hangUp: async () => {
      const ended = until(session, "ended");
      session.terminate();
      await ended;
    },
    stop: () => agent.stop(),
  };
};
