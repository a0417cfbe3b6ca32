// Makes tests/unit/verify/public_vectors.h: keys, and what they sign, by code that is not ours.
// node tests/vectors/public.mjs > tests/unit/verify/public_vectors.h
import crypto from 'node:crypto';
import {execSync} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
const dir=fs.mkdtempSync(os.tmpdir()+'/gaff-public-');
const body='{"a":1}';
const rsa=crypto.generateKeyPairSync('rsa',{modulusLength:2048});
const ec=crypto.generateKeyPairSync('ec',{namedCurve:'P-256'});
const ed=crypto.generateKeyPairSync('ed25519');
const pem=k=>k.export({type:'spki',format:'pem'});
const out={};
out.rsa_pub=pem(rsa.publicKey);
out.rsa_sig=crypto.sign('sha256',Buffer.from(body),rsa.privateKey).toString('base64');
out.rsa_sha1=crypto.sign('sha1',Buffer.from(body),rsa.privateKey).toString('base64');
out.pss_sig=crypto.sign('sha256',Buffer.from(body),{key:rsa.privateKey,padding:crypto.constants.RSA_PKCS1_PSS_PADDING,saltLength:32}).toString('base64');
out.ec_pub=ec.publicKey.export({type:'spki',format:'der'}).toString('base64');
out.ec_der=crypto.sign('sha256',Buffer.from(body),ec.privateKey).toString('base64');
out.ec_sha1=crypto.sign('sha1',Buffer.from(body),ec.privateKey).toString('base64');
out.ec_raw=crypto.sign('sha256',Buffer.from(body),{key:ec.privateKey,dsaEncoding:'ieee-p1363'}).toString('base64');
const ebay=Buffer.from(JSON.stringify({alg:'ecdsa',kid:'k9',signature:out.ec_sha1,digest:'SHA1'})).toString('base64');
out.ebay=ebay;
out.ed_sha=crypto.sign(null,crypto.createHash('sha256').update(crypto.createHash('sha256').update(body).digest()).digest(),ed.privateKey).toString('hex');
out.ed_pub=ed.publicKey.export({type:'spki',format:'der'}).subarray(-32).toString('hex');
const b=o=>Buffer.from(typeof o==='string'?o:JSON.stringify(o)).toString('base64url');
const sha=crypto.createHash('sha256').update(body).digest('hex');
function jwt(alg,kid,claims,extra={}){ const si=b({alg,kid,typ:'JWT',...extra})+'.'+b(claims);
 let s; if(alg==='HS256') s=crypto.createHmac('sha256','jwt-secret-1').update(si).digest();
 else if(alg==='RS256') s=crypto.sign('sha256',Buffer.from(si),rsa.privateKey);
 else if(alg==='ES256') s=crypto.sign('sha256',Buffer.from(si),{key:ec.privateKey,dsaEncoding:'ieee-p1363'});
 else if(alg==='EdDSA') s=crypto.sign(null,Buffer.from(si),ed.privateKey);
 else s=Buffer.alloc(0);
 return si+'.'+s.toString('base64url'); }
const now=1795443390;
const c={iss:'prov',aud:['x','me'],iat:now,exp:now+300,sha256:sha,jti:'j1',type:'paid'};
out.jwt_hs=jwt('HS256','k',c); out.jwt_rs=jwt('RS256','rs1',c); out.jwt_es=jwt('ES256','es1',c); out.jwt_ed=jwt('EdDSA','ed1',c);
out.jwt_old=jwt('RS256','rs1',{...c,exp:now-31,iat:now-100});
out.jwt_kid=jwt('RS256','nobody',c);
out.jwt_none=b({alg:'none'})+'.'+b(c)+'.AA';
// key confusion: HS256 with the RSA public PEM as secret
{ const si=b({alg:'HS256',kid:'rs1'})+'.'+b(c); out.jwt_confused=si+'.'+crypto.createHmac('sha256',out.rsa_pub).update(si).digest('base64url'); }
const jwk=(k,kid)=>({...k.export({format:'jwk'}),kid});
out.jwks=JSON.stringify({keys:[jwk(rsa.publicKey,'rs1'),jwk(ec.publicKey,'es1'),jwk(ed.publicKey,'ed1'),{kty:'oct',k:'AA',kid:'x'}]});
{ const h=b({alg:'ES256',kid:'es1'}); const si=h+'.'+b(body); out.jws=h+'..'+crypto.sign('sha256',Buffer.from(si),{key:ec.privateKey,dsaEncoding:'ieee-p1363'}).toString('base64url'); }
{ const h=b({alg:'RS256',kid:'rs1',b64:false,crit:['b64']}); const si=h+'.'+body; out.jws_plain=h+'..'+crypto.sign('sha256',Buffer.from(si),rsa.privateKey).toString('base64url'); }
{ const h=b({alg:'ES256',kid:'es1',tl_headers:'X-A,X-B'}); const pl='POST /in/x\nX-A: one\nX-B: two\n'+body; const si=h+'.'+b(pl); out.jws_tl=h+'..'+crypto.sign('sha256',Buffer.from(si),{key:ec.privateKey,dsaEncoding:'ieee-p1363'}).toString('base64url'); }
// certificate for x509 (PayPal, SNS)
fs.writeFileSync(dir+'/rsa.pem',rsa.privateKey.export({type:'pkcs8',format:'pem'}));
execSync(`python3 -c "
import datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
key = serialization.load_pem_private_key(open('${dir}/rsa.pem', 'rb').read(), None)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'sns.example')])
cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2099, 1, 1)).sign(key, hashes.SHA256()))
open('${dir}/cert.pem', 'wb').write(cert.public_bytes(serialization.Encoding.PEM))
"`);
out.cert=fs.readFileSync(dir+'/cert.pem','utf8');
const snsText='Message\nhello\nMessageId\nm-1\nSubject\nsub\nTimestamp\n2026-11-23T10:56:30.000Z\nTopicArn\narn:t\nType\nNotification\n';
out.sns2=crypto.sign('sha256',Buffer.from(snsText),rsa.privateKey).toString('base64');
out.sns1=crypto.sign('sha1',Buffer.from(snsText.replace('Subject\nsub\n','')),rsa.privateKey).toString('base64');
fs.rmSync(dir,{recursive:true});
console.log('/* Made by tests/vectors/public.mjs (Node crypto, Python cryptography); do not edit. */');
console.log('/* clang-format off */\n#ifndef GAFF_TESTS_PUBLIC_VECTORS_H\n#define GAFF_TESTS_PUBLIC_VECTORS_H');
for (const [name,value] of Object.entries(out)) {
 const parts=value.match(/[^]{1,70}/g).map(p=>JSON.stringify(p));
 console.log(`#define V_${name.toUpperCase()} \\\n    ${parts.join(' \\\n    ')}`);
}
console.log('/* clang-format on */\n#endif');
