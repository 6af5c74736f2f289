// What both softphones share: the microphone, the ear, and a way to be left with one codec.
"use strict";

// Processing made for voices would take a tone for noise.
window.MICROPHONE = {
  audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  video: false,
};

// A description with telephone events and no other codec than the one named.
window.onlyCodec = (sdp, codec) => {
  const kept = new Set();
  for (const [, payload, name] of sdp.matchAll(/a=rtpmap:(\d+) ([\w-]+)\//g)) {
    if (name.toLowerCase() === codec.toLowerCase() || name === "telephone-event") kept.add(payload);
  }
  return sdp
    .split("\r\n")
    .map((line) => {
      if (line.startsWith("m=audio")) {
        const [kind, port, profile, ...payloads] = line.split(" ");
        return [kind, port, profile, ...payloads.filter((payload) => kept.has(payload))].join(" ");
      }
      const about = line.match(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /);
      return about && !kept.has(about[1]) ? null : line;
    })
    .filter((line) => line !== null)
    .join("\r\n");
};

// The last part of a second that a peer connection received, as samples and their rate.
window.listen = async (connection) => {
  const [receiver] = connection.getReceivers();
  const stream = new MediaStream([receiver.track]);
  document.getElementById("earpiece").srcObject = stream; // else Chromium does not decode it
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 16384;
  context.createMediaStreamSource(stream).connect(analyser);
  await context.resume();
  await new Promise((done) => setTimeout(done, 700));
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const rate = context.sampleRate;
  await context.close();
  return { rate, samples: Array.from(samples, (sample) => Math.round(sample * 32768)) };
};

// Which codec is heard, and over which kinds of candidates.
window.connectionFacts = async (connection) => {
  const report = [...(await connection.getStats()).values()];
  const byId = new Map(report.map((entry) => [entry.id, entry]));
  const inbound = report.find((entry) => entry.type === "inbound-rtp");
  const pair = report.find((entry) => entry.type === "candidate-pair" && entry.nominated);
  const transport = report.find((entry) => entry.type === "transport");
  return {
    codec: inbound && inbound.codecId ? byId.get(inbound.codecId).mimeType : null,
    local: pair ? byId.get(pair.localCandidateId).candidateType : null,
    remote: pair ? byId.get(pair.remoteCandidateId).candidateType : null,
    dtls: transport ? transport.dtlsState : null,
    srtp: transport ? transport.srtpCipher : null,
    lost: inbound ? inbound.packetsLost : null,
  };
};
