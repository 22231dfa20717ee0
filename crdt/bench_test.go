package crdt_test

import (
	"fmt"
	"testing"

	"github.com/skerry-edge/skerry/crdt"
)

func BenchmarkFeed_Append(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			_, data, _ := feeds(b, key(1))
			draft := crdt.Draft{Needs: 1, Clock: at(0), Count: 1000, Codec: crdt.CodecColumns, Payload: make([]byte, size)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := data.Append(draft); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeBlock(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			_, data, _ := feeds(b, key(1))
			block, err := data.Append(crdt.Draft{Clock: at(0), Codec: crdt.CodecColumns, Payload: make([]byte, size)})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(block.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := crdt.DecodeBlock(block.Raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBlock_VerifySignature(b *testing.B) {
	a := author(key(1))
	block := vectors(b)["events"]
	b.ReportAllocs()
	for b.Loop() {
		if err := block.VerifySignature(a); err != nil {
			b.Fatal(err)
		}
	}
}
