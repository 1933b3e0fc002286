/* The guest's parts: registers, text, checks, and a driver for the SMMU and its bus master. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define UART 0x09000000ul
#define GICD 0x08000000ul
#define GICR 0x080a0000ul
#define SMMU 0x09050000ul
#define EDU 0x10000000ul
#define SID (3u << 3)

enum {
  IDR0 = 0x00, CR0 = 0x20, CR0ACK = 0x24, IRQ_CTRL = 0x50, GERROR = 0x60, GERRORN = 0x64, STRTAB_BASE = 0x80,
  STRTAB_BASE_CFG = 0x88, CMDQ_BASE = 0x90, CMDQ_PROD = 0x98, CMDQ_CONS = 0x9c, EVENTQ_BASE = 0xa0,
  EVENTQ_PROD = 0x100a8, EVENTQ_CONS = 0x100ac,
};

/* RAM: where things are. */
#define STREAMS 0x42000000ul
#define LEVEL2 0x42010000ul
#define CONTEXT 0x42020000ul
#define COMMANDS 0x42030000ul
#define EVENTS 0x42040000ul
#define TABLES 0x43000000ul
#define DATA 0x44000000ul
#define NOWHERE 0x0b000000ul
#define QUEUE_LOG2 4
#define QUEUE (1u << QUEUE_LOG2)

static inline u32 r32(u64 a) { return *(volatile u32 *)a; }
static inline u64 r64(u64 a) { return *(volatile u64 *)a; }
static inline void w32(u64 a, u32 v) { *(volatile u32 *)a = v; __asm__ volatile("dsb sy" ::: "memory"); }
static inline void w64(u64 a, u64 v) { *(volatile u64 *)a = v; __asm__ volatile("dsb sy" ::: "memory"); }
static inline u8 r8(u64 a) { return *(volatile u8 *)a; }
static inline u16 r16(u64 a) { return *(volatile u16 *)a; }
static inline void w8(u64 a, u8 v) { *(volatile u8 *)a = v; __asm__ volatile("dsb sy" ::: "memory"); }
static inline void w16(u64 a, u16 v) { *(volatile u16 *)a = v; __asm__ volatile("dsb sy" ::: "memory"); }

/* The high ECAM is where GICv3 boards with much address space have it. */
#define CONFIG(sid) (0x4010000000ul + ((u64)(sid) << 12))

void put(char c);
void text(const char *s);
void hex(u64 v);
void field(const char *name, u64 v);
extern u32 checks, bad;
/* Ends a line; the step is good if `ok`. */
void done(int ok);

void timer_init(void);
void sleep_ms(u64 ms);
int edu_init(void);
void dma(u64 from, u64 to, u64 length, u32 command);
void dma_write(u64 iova);
void dma_read(u64 iova);

extern u32 sent, seen;
void reset_queues(void);
/* Gives SMMU_CMDQ_CONS.ERR; an error is acknowledged and the command left out. */
u32 command(u32 a, u32 b, u32 c, u32 d);
void fresh(void);
/* Prints the events since the last call, without CLASS (QEMU 7.2 has none), and gives the type of the last. */
u32 events(void);
void stream(u64 at, u32 w0, u64 context, u32 w1, u32 w2);

struct format { u32 tsz, tg, page, start; };
extern const struct format formats[];
#define FORMATS 10u
#define CD_GOOD 0x6204u /* IPS 44 bits, AA64, R, A */

void context(u32 w0, u32 w1, u64 ttb0);
void use(const struct format *f);
/* Writes a descriptor for an address at a level; the tables above are at TABLES, one after the other. */
void map(u64 iova, u32 level, u64 descriptor);
/* One word through the SMMU in both directions: ok if it comes where it should, without an event. */
void transfer(u64 iova, u64 physical);
void fault(u64 iova, int write, u32 expected);
/* A stream that stage 1 translates, in a Stream table of two levels. */
void stage1(u64 at);

/* wrong.c */
void wrong(void);
void rings(void);
/* messages.c */
void messages(void);
