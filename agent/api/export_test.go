package api

// Codes returns the codes of errors on the wire.
func Codes() []string {
	all := []string{codeBadRequest, codeFailed}
	for _, c := range codes() {
		all = append(all, c.text)
	}
	return all
}

// MaxStreams and MaxConnections are limits that tests go beyond.
const (
	MaxStreams     = maxStreams
	MaxConnections = maxConnections
)
