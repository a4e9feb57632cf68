/**
 * The kernel's PACKET_MMAP ring: memory that the kernel stores every packet of an interface in, and that this process has
 * mapped. A packet is read where the kernel has put it; no system call is made for it. See packet(7), and packet_mmap.rst
 * of the kernel's documentation.
 *
 * @module
 */
import * as c from "../../ffi/mod.ts";
import { bytes, MappedRegion, struct } from "../../mod.ts";
import { type CFunction, cFunctions } from "./c_functions.ts";

// From <sys/socket.h>, <linux/if_ether.h> and <linux/if_packet.h>.
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const ETH_P_IP = 0x0800;
const SOL_PACKET = 263;
const PACKET_RX_RING = 5;
const PACKET_VERSION = 10;
const TPACKET_V2 = 1;
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;
const PACKET_OUTGOING = 4;

/** struct tpacket_req: the ring is so many blocks, each of which holds so many frames. */
const REQUEST = struct({ blockSize: "u32", blockCount: "u32", frameSize: "u32", frameCount: "u32" });
/** struct sockaddr_ll: an interface, and a protocol, which is big-endian. */
const ADDRESS = struct({
  family: "u16",
  protocol: bytes(2),
  interface: "i32",
  hardware: "u16",
  packetType: "u8",
  length: "u8",
  address: bytes(8),
});
/** struct tpacket2_hdr, with which each frame begins, and the struct sockaddr_ll behind it. */
const FRAME = struct({
  status: "u32",
  length: "u32",
  captured: "u32",
  mac: "u16",
  net: "u16",
  seconds: "u32",
  nanoseconds: "u32",
  vlan: "u16",
  vlanProtocol: "u16",
  padding: bytes(4),
  from: ADDRESS,
});

const FRAME_SIZE = 2048; // a longer packet is cut off
const BLOCK_SIZE = 2 ** 16;
const BLOCK_COUNT = 64;

/** A packet as it came in. */
export interface Packet {
  /** Its length on the wire, in bytes. */
  readonly length: number;
  /** Its bytes from the Internet Protocol's header on, as far as they fit into a frame: a copy. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A ring of the packets of one interface. */
export class PacketRing implements Disposable {
  readonly #functions: Readonly<
    Record<"socket" | "setsockopt" | "bind" | "if_nametoindex" | "close", CFunction>
  >;
  readonly #socket: number;
  readonly #region: MappedRegion;
  #next = 0;

  /**
   * Opens a ring.
   *
   * @param name The interface: `"lo"` is that of loopback.
   * @throws {MmapError} EPERM without the right to look at packets, CAP_NET_RAW; EAFNOSUPPORT if the kernel has no such sockets.
   */
  constructor(name: string) {
    this.#functions = cFunctions({
      socket: ["int", "int", "int"],
      setsockopt: ["int", "int", "int", "bytes", "int"],
      bind: ["int", "bytes", "int"],
      if_nametoindex: ["bytes"],
      close: ["int"],
    });
    const { socket, setsockopt, bind, if_nametoindex: indexOf } = this.#functions;
    const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
    // With protocol 0 it receives nothing until it is bound: there are no packets of other interfaces in the ring.
    this.#socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    try {
      setsockopt(this.#socket, SOL_PACKET, PACKET_VERSION, int(TPACKET_V2), 4);
      const request = REQUEST.encode({
        blockSize: BLOCK_SIZE,
        blockCount: BLOCK_COUNT,
        frameSize: FRAME_SIZE,
        frameCount: BLOCK_COUNT * BLOCK_SIZE / FRAME_SIZE,
      });
      setsockopt(this.#socket, SOL_PACKET, PACKET_RX_RING, request, request.length);
      this.#region = MappedRegion.map({
        length: BLOCK_COUNT * BLOCK_SIZE,
        protection: c.PROT_READ | c.PROT_WRITE,
        flags: c.MAP_SHARED,
        fd: this.#socket,
      });
      const address = ADDRESS.encode({
        family: AF_PACKET,
        protocol: Uint8Array.of(ETH_P_IP >> 8, ETH_P_IP & 0xff),
        interface: indexOf(Buffer.from(`${name}\0`)),
        hardware: 0,
        packetType: 0,
        length: 0,
        address: new Uint8Array(8),
      });
      bind(this.#socket, address, address.length);
    } catch (error) {
      this.#functions.close(this.#socket);
      throw error;
    }
  }

  /** The size of the ring in bytes. */
  get length(): number {
    return this.#region.length;
  }

  /** Takes the packets that are there. (A program that has nothing else to do waits for more by poll(2).) */
  *take(): Generator<Packet> {
    // The status tells whose a frame is. It is read and stored by Atomics, since the kernel does so at the same time: once
    // it says "user", all of the frame is there; once we say "kernel", nothing of it is looked at any more.
    const words = this.#region.array(Int32Array);
    for (;;) {
      const start = this.#next * FRAME_SIZE;
      if ((Atomics.load(words, start / 4) & TP_STATUS_USER) === 0) return;
      const { length, captured, mac, net, from } = this.#region.records(FRAME, { offset: start, count: 1 })
        .get(0);
      const packet = from.packetType === PACKET_OUTGOING
        ? undefined // on loopback, everything is sent and received: once is enough
        : { length, bytes: this.#region.read(start + net, captured - (net - mac)) };
      Atomics.store(words, start / 4, TP_STATUS_KERNEL);
      this.#next = (this.#next + 1) % (this.#region.length / FRAME_SIZE);
      if (packet !== undefined) yield packet;
    }
  }

  [Symbol.dispose](): void {
    this.#region.close();
    this.#functions.close(this.#socket);
  }
}
