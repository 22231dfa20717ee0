package sensors

// Message is something to publish.
type Message struct {
	Topic   string
	Payload []byte
}

// Aside is what a decoder has to say of one Raw besides readings and an error. Both may go with it.
type Aside struct {
	// Answers are to be published at QoS 0, not retained, to where the Raw came from. They may be lost: the decoder
	// asks again when what it needs does not come.
	Answers []Message
	// Unread is how many values of a kind that the format does not read the Raw had, beside what was decoded.
	Unread int
	// Gap says that inputs before this one are known to be missing; nil if not.
	Gap *DecodeError
}

// Attentive is a Decoder of a protocol whose messages rest on earlier ones. All decoders of one source share what was heard.
type Attentive interface {
	Decoder
	// Aside returns what there is to say of the Raw that was decoded last. It is valid until the next call of Decode, but for
	// Answers, which belong to the caller.
	Aside() Aside
	// Missed says that inputs of the source may be missing from here on, and nothing else will tell. Safe for concurrent use.
	Missed()
}
