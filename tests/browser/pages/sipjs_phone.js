// A softphone on SIP.js.
import { Inviter, Registerer, SessionState, UserAgent } from "/node_modules/sip.js/lib/index.js";

const reached = (thing, wanted, failed) =>
  new Promise((resolve, reject) => {
    thing.stateChange.addListener((state) => {
      if (state === wanted) resolve();
      if (state === failed) reject(new Error(`it became ${state}`));
    });
  });

window.makePhone = ({ url, user, password, domain, codec, ice }) => {
  let session = null;
  let ring = null;
  const rung = new Promise((resolve) => (ring = resolve));
  const agent = new UserAgent({
    uri: UserAgent.makeURI(`sip:${user}@${domain}`),
    authorizationUsername: user,
    authorizationPassword: password,
    transportOptions: { server: url },
    sessionDescriptionHandlerFactoryOptions: {
      iceGatheringTimeout: 2000,
      peerConnectionConfiguration: { iceServers: ice.servers, iceTransportPolicy: ice.policy },
    },
    delegate: {
      onInvite: (invitation) => {
        session = invitation;
        ring();
      },
    },
  });
  const only = async (description) => ({
    type: description.type,
    sdp: onlyCodec(description.sdp, codec),
  });
  const media = {
    sessionDescriptionHandlerOptions: { constraints: MICROPHONE },
    sessionDescriptionHandlerModifiers: [only],
  };
  return {
    register: async () => {
      await agent.start();
      const registerer = new Registerer(agent);
      const registered = reached(registerer, "Registered", "Unregistered");
      await registerer.register();
      await registered;
    },
    call: async (number) => {
      session = new Inviter(agent, UserAgent.makeURI(`sip:${number}@${domain}`), media);
      const established = reached(session, SessionState.Established, SessionState.Terminated);
      await session.invite();
      await established;
    },
    answer: async () => {
      await rung;
      const established = reached(session, SessionState.Established, SessionState.Terminated);
      await session.accept(media);
      await established;
    },
    connection: () => session.sessionDescriptionHandler.peerConnection,
    press: (digit) => session.sessionDescriptionHandler.sendDtmf(digit),
    hangUp: async () => {
      const ended = reached(session, SessionState.Terminated);
      await session.bye();
      await ended;
    },
    stop: () => agent.stop(),
  };
};
