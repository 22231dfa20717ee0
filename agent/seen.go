package agent

import "github.com/skerry-edge/skerry/store"

// seen knows the messages of one source that the kept journal holds: the latest of each packet id, by broker.
type seen struct {
	source string
	hashes map[string]map[uint16]uint64
}

func newSeen(origins []store.Origin, source string) seen {
	s := seen{source, map[string]map[uint16]uint64{}}
	for _, o := range origins {
		if o.Source != source {
			continue
		}
		if s.hashes[o.Client] == nil {
			s.hashes[o.Client] = map[uint16]uint64{}
		}
		s.hashes[o.Client][o.PacketID] = o.Hash
	}
	return s
}

// Journalled implements mqtt.Seen.
func (s seen) Journalled(source, client string, packetID uint16, hash uint64) bool {
	have, is := s.hashes[client][packetID]
	return is && have == hash && source == s.source
}
