package mqtt

import (
	"fmt"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors"
)

// refusal is why a CONNECT is refused: what the client is told, by version, and what people are.
type refusal struct {
	v3, v5     packets.Code
	reason     string
	what, hint string
}

// badUserOrPassword is the code of MQTT 3.1.1, for which the server has no name of its own.
const badUserOrPassword = 0x04

func refusedLogin(reason, what, hint string) *refusal {
	return &refusal{
		v3: packets.Code{Code: badUserOrPassword}, v5: packets.ErrBadUsernameOrPassword, reason: reason, what: what, hint: hint,
	}
}

func notAuthorized(reason, what, hint string) *refusal {
	return &refusal{v3: packets.Err3NotAuthorized, v5: packets.ErrNotAuthorized, reason: reason, what: what, hint: hint}
}

// welcome checks a CONNECT packet that the server found valid, and who sends it, and prepares the connection.
func (b *Broker) welcome(c *brokerConn, cl *mochi.Client, connect *packets.Packet) error {
	if len(cl.ID) > maxBrokerClientID {
		_ = b.server.SendConnack(cl, packets.ErrClientIdentifierNotValid, false, nil) // it is refused either way
		return errUnwelcome
	}
	if topic := connect.Connect.WillTopic; len(topic) > sensors.MaxTopicBytes || topic != "" && !mochi.IsValidFilter(topic, true) {
		_ = b.server.SendConnack(cl, packets.ErrTopicNameInvalid, false, nil) // likewise
		return errUnwelcome
	}
	if no := b.login(c, cl.ID, connect); no != nil {
		code := no.v5
		if cl.Properties.ProtocolVersion < 5 {
			code = no.v3
		}
		_ = b.server.SendConnack(cl, code, false, nil) // likewise
		b.refusals.refuseConnection(b.log, no.reason, addressOf(c.net), no.what, no.hint)
		return errUnwelcome
	}
	c.prepare(cl, connect)
	return nil
}

// login finds out who the client is, and returns why it may not come in.
func (b *Broker) login(c *brokerConn, id string, connect *packets.Packet) *refusal {
	user, byPassword, no := b.userOf(c, connect)
	if no != nil {
		return no
	}
	who := b.acl.account(user, id)
	who.byPassword = byPassword
	if topic := connect.Connect.WillTopic; connect.Connect.WillFlag && !who.mayWrite(topic) {
		return notAuthorized(refusedWill, fmt.Sprintf("%s with client id %.64q may not publish to its will's topic %.128q", who.name(), id, topic),
			"add the topic to write of a section [[mqtt.acl]] that is for it, or take the will away")
	}
	if !b.claim(id, user) {
		return notAuthorized(refusedSession, fmt.Sprintf("%s wants client id %.64q, whose session is another user's", who.name(), id),
			"give each client an id of its own")
	}
	c.claimed = id
	c.account.Store(who)
	return nil
}

// userOf returns the user that a client is by its certificate or its password; an empty name: none. A name without a password
// that was checked is none.
func (b *Broker) userOf(c *brokerConn, connect *packets.Packet) (user string, byPassword bool, no *refusal) {
	if c.certUser != "" {
		return c.certUser, false, nil
	}
	checker := b.secrets.checker
	if checker == nil {
		return "", false, nil // the configuration says who may come in without a name: see BrokerConfig.Validate
	}
	name := string(connect.Connect.Username)
	if name == "" {
		if b.config.AllowAnonymous {
			return "", false, nil
		}
		return "", false, notAuthorized(refusedAnonymous, "it names no user", "give it a user name and password, or set allow_anonymous = true")
	}
	before := checker.users.Load()
	switch checker.check(c.life, addressKey(c.net.RemoteAddr()), name, connect.Connect.Password) {
	case verdictRight:
	case verdictGuesses:
		return "", false, &refusal{
			v3: packets.Err3ServerUnavailable, v5: packets.ErrConnectionRateExceeded, reason: refusedGuesses,
			what: "too many wrong passwords came from its address", hint: fmt.Sprintf("it gets another try each %s", guessEvery),
		}
	case verdictBusy:
		return "", false, &refusal{
			v3: packets.Err3ServerUnavailable, v5: packets.ErrServerBusy, reason: refusedBusy,
			what: "too many passwords wait to be checked", hint: "it may try again in a moment",
		}
	case verdictWrong:
		if _, known := before.byName[name]; known {
			return "", false, refusedLogin(refusedPassword, fmt.Sprintf("wrong password for user %q", name), "set it anew with: skerry mqtt passwd NAME --file FILE")
		}
		return "", false, refusedLogin(refusedPassword, "there is no such user", "look into users_file") // the name may be a password
	}
	if now := checker.users.Load(); now.byName[name] != before.byName[name] {
		return "", false, refusedLogin(refusedPassword, fmt.Sprintf("the password of user %q has just changed", name), "")
	}
	return name, true, nil
}

// prepare makes the connection ready for a client that is let in.
func (c *brokerConn) prepare(cl *mochi.Client, connect *packets.Packet) {
	c.takeWill(cl, connect)
	// The server would send above the Receive Maximum after a while, and can come to a deadlock in its count: we count.
	c.sendMax = int(cl.Properties.Props.ReceiveMaximum)
	if c.sendMax > 0 {
		c.sent = make(map[uint16]struct{})
	}
	cl.Properties.Props.ReceiveMaximum = 0
	cl.State.Inflight.ResetSendQuota(0)
	// A message that the server drops may be the one that defined an alias: do without.
	cl.Properties.Props.TopicAliasMaximum = 0
}

// readFilesAgain reads the files that changed. A user that is gone, or has another password, is disconnected.
func (b *Broker) readFilesAgain() {
	if !b.secrets.changed() {
		return
	}
	_, before := b.secrets.state()
	revoked, err := b.secrets.load()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		b.log.Error("broker keeps the files that it had", "err", err)
		return
	case err != nil:
		return
	}
	b.log.Info("broker read its files again", "revoked_users", len(revoked))
	if len(revoked) == 0 {
		return
	}
	b.eachConn(func(c *brokerConn) {
		who := c.account.Load()
		if who == nil || !who.byPassword {
			return
		}
		if _, gone := revoked[who.user]; gone {
			b.refusals.refuseConnection(b.log, refusedRevoked, addressOf(c.net), who.name()+" is gone or has another password", "")
			_ = c.Close()
		}
	})
}
